import { decide, innerCutFrames, type LiveClip, type ReviewClip, type ReviewCommandKind } from '#lib/core/review.ts';
import type { ReviewReply, ReviewRequest } from '#lib/live/commands.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import { clipsById, clipWithPrevious, publishClips, replaceClips } from '#lib/server/stores/clips.ts';
import { cutFramesInside, replaceCuts } from '#lib/server/stores/cuts.ts';
import { decisionOfCommand, insertDecision, type Decision } from '#lib/server/stores/decisions.ts';
import { lockVideo, publishVideo } from '#lib/server/stores/videos.ts';

/** Who acts: taken from the log-in session, never from a message. */
export interface Actor {
  readonly userId: number;
  readonly name: string;
  readonly role: 'admin' | 'reviewer' | 'viewer';
}

const DONE: Record<ReviewCommandKind, string> = {
  approve: 'Approved',
  skip: 'Skipped',
  archive: 'Archived',
  reopen: 'Back to pending',
  merge: 'Merged with the previous clip',
  group: 'Grouped with the previous clip',
  split: 'Split',
  'move-cut': 'Cut moved',
};

const ONLY_REVIEWERS = 'You can watch, but only reviewers decide. Ask an admin for the reviewer role.';

/**
 * Takes a reviewer's command: state change, fact, event and export jobs in one transaction.
 *
 * A repeated `commandId` gets the answer of the first. A clip that has changed since the reviewer
 * saw it is a `conflict`, with the clip as it is now.
 */
export async function reviewClip(sql: Database, actor: Actor, request: ReviewRequest): Promise<ReviewReply> {
  if (actor.role === 'viewer') return { kind: 'refused', message: ONLY_REVIEWERS };
  return sql.begin(async (tx): Promise<ReviewReply> => {
    const found = await clipWithPrevious(tx, request.clipId);
    if (found !== null) await lockVideo(tx, found.videoId);
    const repeated = await decisionOfCommand(tx, request.commandId);
    if (repeated !== null) return replyTo(tx, repeated, DONE[request.kind]);

    // Read again under the lock: someone may have been first.
    const current = await clipWithPrevious(tx, request.clipId);
    if (current === null) {
      return { kind: 'conflict', current: null, message: 'This clip was split, merged or removed by someone else in the meantime.' };
    }
    const outcome = decide(request, current.clip, current.previous);
    if (outcome.kind === 'refused') return { kind: 'refused', message: outcome.reason };
    if (outcome.kind === 'conflict') {
      const [view] = await clipsById(tx, [request.clipId]);
      const who = view?.decidedBy ? ` by ${view.decidedBy.name}` : '';
      return {
        kind: 'conflict',
        current: view ?? null,
        message: `This clip was changed${who} since you saw it: it is now ${view?.state ?? 'gone'}.`,
      };
    }
    const { before, after } = outcome.change;
    const decision = await commitChange(tx, actor, {
      commandId: request.commandId,
      videoId: current.videoId,
      kind: request.kind,
      before,
      after,
      afterCuts: innerCutFrames(after),
      reversesId: null,
    });
    return replyTo(tx, decision, DONE[request.kind]);
  }) as Promise<ReviewReply>;
}

/** Replaces clips and cuts over one span, records the fact, and tells everyone. The video is locked. */
export async function commitChange(
  tx: Transaction,
  actor: Actor,
  change: {
    readonly commandId: string;
    readonly videoId: number;
    readonly kind: string;
    readonly before: readonly LiveClip[];
    readonly after: readonly ReviewClip[];
    readonly afterCuts: readonly number[];
    readonly reversesId: number | null;
  },
): Promise<Decision> {
  const { videoId, before } = change;
  const span = {
    startFrame: Math.min(...before.map((clip) => clip.startFrame)),
    endFrame: Math.max(...before.map((clip) => clip.endFrame)),
  };
  const beforeCuts = await cutFramesInside(tx, videoId, span);
  const after = await replaceClips(tx, videoId, before, change.after, actor.userId);
  await replaceCuts(tx, videoId, span, change.afterCuts, actor.userId);
  const decision: Omit<Decision, 'id'> = {
    videoId,
    actorId: actor.userId,
    kind: change.kind,
    beforeClips: before,
    afterClips: after,
    beforeCuts,
    afterCuts: change.afterCuts,
    reversesId: change.reversesId,
  };
  await insertDecision(tx, change.commandId, decision);
  for (const clip of after) {
    if (clip.state === 'approved') await enqueueStage(tx, 'export', { itemId: clip.id, videoId }, { revision: `v${clip.version}` });
  }
  const keptIds = after.map((clip) => clip.id);
  const removedClipIds = before.map((clip) => clip.id).filter((id) => !keptIds.includes(id));
  await publishClips(tx, videoId, { cause: change.kind, removedClipIds, clipIds: keptIds }, actor);
  await publishVideo(tx, videoId, actor.userId);
  return { ...decision, id: 0 };
}

/** The answer for a fact: the clips that it left, as they are now. */
export async function replyTo(tx: Transaction, decision: Decision, summary: string): Promise<ReviewReply> {
  const keptIds = decision.afterClips.map((clip) => clip.id);
  return {
    kind: 'ok',
    clips: await clipsById(tx, keptIds),
    removedClipIds: decision.beforeClips.map((clip) => clip.id).filter((id) => !keptIds.includes(id)),
    summary,
  };
}
