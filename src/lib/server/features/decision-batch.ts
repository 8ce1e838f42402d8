import { isSameSpan } from '#lib/core/cuts.ts';
import { decide, type ClipState, type LiveClip } from '#lib/core/review.ts';
import type { ReviewReply } from '#lib/live/commands.ts';
import type { Transaction } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { clipsById, liveClips, publishClips, setClipStates } from '#lib/server/stores/clips.ts';
import { findBatch, insertBatch, votesOfBatch, type DecisionBatch } from '#lib/server/stores/decision-batches.ts';
import { decisionsOfBatch, insertDecision } from '#lib/server/stores/decisions.ts';
import { lockSession, publishToSession } from '#lib/server/stores/review-sessions.ts';
import { publishToLibrary } from '#lib/server/stores/videos.ts';
import { votesOnClip, withdrawVote } from '#lib/server/stores/votes.ts';

/** What becomes of one clip of a batch. */
interface StateChange {
  readonly clipId: number;
  readonly videoId: number;
  /** A decision, or for a reversal the state that it goes back to. */
  readonly to: 'approve' | 'skip' | 'archive' | { readonly state: ClipState };
  readonly reversesId: number | null;
}

/**
 * Changes the states of clips of several videos: a fact for each clip, exports for those approved, one event for each
 * video. The videos are locked, and where there is one also the session.
 */
export async function changeStates(tx: Transaction, actor: Actor, batch: DecisionBatch, changes: readonly StateChange[]): Promise<void> {
  const videos = [...Map.groupBy(changes, (change) => change.videoId)].sort(([one], [other]) => one - other);
  for (const [videoId, ofVideo] of videos) {
    const byId = new Map(ofVideo.map((change) => [change.clipId, change]));
    const before = await liveClips(tx, [...byId.keys()]);
    const after = await setClipStates(
      tx,
      before.map((clip) => ({ id: clip.id, state: stateAfter(clip, byId.get(clip.id)!.to) })),
      actor.userId,
    );
    for (const clip of after) {
      await insertDecision(tx, crypto.randomUUID(), {
        ...{ videoId, actorId: actor.userId, kind: batch.kind, beforeCuts: [], afterCuts: [] },
        beforeClips: before.filter((old) => old.id === clip.id),
        afterClips: [clip],
        ...{ reversesId: byId.get(clip.id)!.reversesId, sessionId: batch.sessionId, batchId: batch.id },
      });
      if (clip.state === 'approved') await enqueueStage(tx, 'export', { itemId: clip.id, videoId }, { revision: `v${clip.version}` });
    }
    await publishClips(tx, videoId, { cause: batch.kind, removedClipIds: [], clipIds: after.map((clip) => clip.id) }, actor);
  }
  // Last, and never before a video's own topic: others hold that and wait for the library's.
  for (const [videoId] of videos) await publishToLibrary(tx, videoId, actor.userId);
}

/**
 * Takes a batch back, or makes it again. A clip that somebody has built upon since is left as it is, and the answer says so;
 * votes of it that still count are withdrawn. The videos are locked.
 */
export async function reverseBatch(
  tx: Transaction,
  actor: Actor,
  target: DecisionBatch,
  {
    commandId,
    direction,
    sessionId,
  }: { readonly commandId: string; readonly direction: 'undo' | 'redo'; readonly sessionId: number | null },
): Promise<ReviewReply> {
  if (target.sessionId !== null) await lockSession(tx, target.sessionId);
  const decisions = await decisionsOfBatch(tx, target.id);
  const votes = direction === 'undo' ? await votesOfBatch(tx, target.id) : [];
  const current = new Map(
    (
      await liveClips(
        tx,
        decisions.flatMap((decision) => decision.afterClips.map((clip) => clip.id)),
      )
    ).map((clip) => [clip.id, clip]),
  );
  const untouched = decisions.filter((decision) => decision.afterClips.every((left) => isAsLeft(current.get(left.id), left)));
  const leftCount = decisions.length - untouched.length;
  if (untouched.length === 0 && votes.length === 0) {
    const message = `None of the ${decisions.length} clips can be ${direction === 'undo' ? 'taken back' : 'decided again'}: all were changed since.`;
    return { kind: 'conflict', current: null, message };
  }
  const batch: DecisionBatch = {
    ...{ id: commandId, actorId: actor.userId, kind: direction, videoId: target.videoId, clipId: target.clipId },
    ...{ leastPercent: target.leastPercent, sessionId, reversesId: target.id },
  };
  await insertBatch(tx, batch);
  if (target.sessionId !== null) {
    for (const vote of votes) {
      await withdrawVote(tx, vote, target.sessionId, commandId);
      const standing = await votesOnClip(tx, target.sessionId, vote.clipId, vote.version);
      await publishToSession(
        tx,
        target.sessionId,
        { type: 'votes-changed', payload: { clipId: vote.clipId, votes: standing } },
        actor.userId,
      );
    }
  }
  const changes = untouched.map((decision) => {
    const [before] = decision.beforeClips;
    return { clipId: before!.id, videoId: decision.videoId, to: { state: before!.state }, reversesId: decision.id };
  });
  await changeStates(tx, actor, batch, changes);
  const left = leftCount === 0 ? '' : ` ${leftCount} left as ${leftCount === 1 ? 'it is' : 'they are'}: changed since.`;
  const parts = [
    ...(untouched.length === 0 ? [] : [`${untouched.length} ${untouched.length === 1 ? 'decision' : 'decisions'}`]),
    ...(votes.length === 0 ? [] : [`${votes.length} ${votes.length === 1 ? 'vote' : 'votes'}`]),
  ];
  return replyToBatch(tx, batch, `${direction === 'undo' ? 'Undone' : 'Redone'}: ${parts.join(' and ')}.${left}`);
}

/** The answer for a batch: its clips as they are now. */
export async function replyToBatch(tx: Transaction, batch: DecisionBatch, summary: string): Promise<ReviewReply> {
  const clipIds = (await decisionsOfBatch(tx, batch.id)).flatMap((decision) => decision.afterClips.map((clip) => clip.id));
  return { kind: 'ok', clips: await clipsById(tx, clipIds), removedClipIds: [], summary };
}

/** The batch that a command left behind, if it was one that reverses another. */
export async function reversalOfCommand(tx: Transaction, commandId: string): Promise<DecisionBatch | null> {
  const batch = await findBatch(tx, commandId);
  return batch?.reversesId == null ? null : batch;
}

function stateAfter(clip: LiveClip, to: StateChange['to']): ClipState {
  if (typeof to !== 'string') return to.state;
  const outcome = decide({ kind: to, clipId: clip.id, version: clip.version }, clip, null);
  return outcome.kind === 'ok' ? outcome.change.after[0]!.state : clip.state;
}

/**
 * Whether a clip is as a decision left it. Versions don't tell: they also rise when someone goes on
 * from here and undoes that again.
 */
export function isAsLeft(live: LiveClip | undefined, left: LiveClip): boolean {
  return live !== undefined && live.id === left.id && isSameSpan(live, left) && live.state === left.state && live.groupId === left.groupId;
}
