import { tally, type Choice, type Tally } from '#lib/core/consensus.ts';
import { isSameSpan, spansOverlap } from '#lib/core/cuts.ts';
import { decide, innerCutFrames, type LiveClip, type ReviewClip, type ReviewCommandKind } from '#lib/core/review.ts';
import type { Refused, ReviewManyReply, ReviewManyRequest, ReviewReply, ReviewRequest } from '#lib/live/commands.ts';
import type { SessionSpan, VoteView } from '#lib/live/session-views.ts';
import type { ClipView } from '#lib/live/views.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import { refusalToDecide, requireUnderWay, type Actor } from '#lib/server/features/rights.ts';
import { clipsById, clipWithPrevious, publishClips, replaceClips } from '#lib/server/stores/clips.ts';
import { cutFramesInside, replaceCuts } from '#lib/server/stores/cuts.ts';
import { decisionOfCommand, insertDecision, type Decision } from '#lib/server/stores/decisions.ts';
import { CLAIM_SECONDS, claimMade, claimsOf, releaseClaim } from '#lib/server/stores/claims.ts';
import { lockSession, publishToSession } from '#lib/server/stores/review-sessions.ts';
import { lockVideo, publishToLibrary } from '#lib/server/stores/videos.ts';
import { castVote, votesOnClip } from '#lib/server/stores/votes.ts';

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

/**
 * Takes a reviewer's command: state change, fact, event and export jobs in one transaction.
 *
 * A repeated `commandId` gets the answer of the first. A clip that has changed since the reviewer
 * saw it is a `conflict`, with the clip as it is now. In a session that votes, approve, skip and
 * archive are votes, unless its host settles the matter.
 */
export async function reviewClip(sql: Database, actor: Actor, request: ReviewRequest): Promise<ReviewReply> {
  return sql.begin(async (tx): Promise<ReviewReply> => {
    // Also when the rules have changed since: what was done was done.
    const earlier = await decisionOfCommand(tx, request.commandId);
    if (earlier !== null) return replyTo(tx, earlier, DONE[request.kind]);
    const rules = await rulesFor(tx, actor, request);
    if (rules.kind === 'refused') return rules;
    const found = await clipWithPrevious(tx, request.clipId);
    if (found !== null) await lockVideo(tx, found.videoId);
    const repeated = await decisionOfCommand(tx, request.commandId);
    if (repeated !== null) return replyTo(tx, repeated, DONE[request.kind]);

    // Read again under the lock: someone may have been first.
    const current = await clipWithPrevious(tx, request.clipId);
    if (current === null) {
      return { kind: 'conflict', current: null, message: 'This clip was split, merged or removed by someone else in the meantime.' };
    }
    if (rules.spans?.some((span) => span.videoId === current.videoId && spansOverlap(span, current.clip)) === false) {
      return { kind: 'refused', message: 'This clip is not part of the session.' };
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
    if (rules.votesNeeded > 1 && request.sessionId !== undefined) {
      const vote = await takeVote(tx, actor, { ...request, sessionId: request.sessionId }, current.clip, rules.votesNeeded);
      if (vote !== null) return vote;
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
      sessionId: request.sessionId ?? null,
    });
    return replyTo(tx, decision, DONE[request.kind]);
  }) as Promise<ReviewReply>;
}

/**
 * Takes many decisions, one after the other. A clip that somebody has changed since it was seen is left as it is.
 * Stopped midway and asked again, it goes on where it was.
 */
export async function reviewClips(sql: Database, actor: Actor, { decisions }: ReviewManyRequest): Promise<ReviewManyReply> {
  const clips: ClipView[] = [];
  let leftCount = 0;
  for (const decision of decisions) {
    const reply = await reviewClip(sql, actor, decision);
    if (reply.kind === 'refused') return reply;
    if (reply.kind === 'ok') clips.push(...reply.clips);
    else leftCount += 1;
  }
  return { kind: 'ok', clips, leftCount };
}

/** Whether the actor may decide here and now, how many votes it takes, and on which frames; null for any. */
async function rulesFor(
  tx: Transaction,
  actor: Actor,
  request: ReviewRequest,
): Promise<{ readonly kind: 'ok'; readonly votesNeeded: number; readonly spans: readonly SessionSpan[] | null } | Refused> {
  if (request.sessionId === undefined) return (await refusalToDecide(tx, actor, undefined)) ?? { kind: 'ok', votesNeeded: 1, spans: null };
  const allowed = await requireUnderWay(tx, actor, request.sessionId);
  if (allowed.kind === 'refused') return allowed;
  const settles = 'settle' in request && request.settle === true;
  if (settles && allowed.right !== 'host') return { kind: 'refused', message: 'Only the session’s host can settle a clip.' };
  return { kind: 'ok', votesNeeded: settles ? 1 : allowed.session.votesNeeded, spans: allowed.session.spans };
}

/**
 * Counts a decision as a vote. Null when it is to be carried out: it needs no vote, or this one decides it.
 * The clip's video is locked, so two votes are counted one after the other.
 */
async function takeVote(
  tx: Transaction,
  actor: Actor,
  request: ReviewRequest & { readonly sessionId: number },
  clip: LiveClip,
  votesNeeded: number,
): Promise<ReviewReply | null> {
  const { sessionId, clipId, kind } = request;
  if (kind === 'group') return { kind: 'refused', message: 'Here clips are approved by vote: vote on each, and group them afterwards.' };
  if (kind !== 'approve' && kind !== 'skip' && kind !== 'archive') return null;
  if (clip.state !== 'pending') {
    return { kind: 'refused', message: `This clip is already ${clip.state}: put it back to pending to vote on it again.` };
  }
  // Before anything is written: who claims clips holds the session while it publishes to its topic.
  await lockSession(tx, sessionId);
  const { votes, result } = await countVote(tx, actor, { sessionId, clip, choice: kind, votesNeeded, batchId: null });
  if (result.kind === 'agreed') return null;
  const standing = result.kind === 'disagreed' ? 'opinions differ' : `${result.missing} more needed`;
  return { kind: 'voted', clipId, votes, summary: `Voted to ${kind}: ${standing}` };
}

/** Casts a vote, lets go of the clip, tells the session, and gives how the votes stand then. Video and session are locked. */
export async function countVote(
  tx: Transaction,
  actor: Actor,
  vote: {
    readonly sessionId: number;
    readonly clip: Pick<LiveClip, 'id' | 'version'>;
    readonly choice: Choice;
    readonly votesNeeded: number;
    readonly batchId: string | null;
  },
): Promise<{ readonly votes: readonly VoteView[]; readonly result: Tally }> {
  const { sessionId, choice, batchId } = vote;
  const { id: clipId, version } = vote.clip;
  await castVote(tx, { sessionId, clipId, userId: actor.userId, version, choice, batchId });
  if (await releaseClaim(tx, sessionId, clipId, actor.userId)) {
    const claims = await claimsOf(tx, sessionId);
    await publishToSession(tx, sessionId, { type: 'claims-changed', payload: { claims } }, actor.userId);
  }
  const votes = await votesOnClip(tx, sessionId, clipId, version);
  const result = tally(votes, vote.votesNeeded);
  const shown = result.kind === 'agreed' ? [] : votes;
  await publishToSession(tx, sessionId, { type: 'votes-changed', payload: { clipId, votes: shown } }, actor.userId);
  return { votes, result };
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
    readonly sessionId: number | null;
  },
): Promise<Decision> {
  const { videoId, before } = change;
  // Claims are told as a whole list: who makes and who takes some must come one after the other.
  if (change.sessionId !== null) await lockSession(tx, change.sessionId);
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
    sessionId: change.sessionId,
    batchId: null,
  };
  await insertDecision(tx, change.commandId, decision);
  for (const clip of after) {
    if (clip.state === 'approved') await enqueueStage(tx, 'export', { itemId: clip.id, videoId }, { revision: `v${clip.version}` });
  }
  const hasNewFrames = after.some((clip) => !before.some((old) => old.id === clip.id && isSameSpan(old, clip)));
  if (hasNewFrames) await enqueueStage(tx, 'keyframes', { itemId: videoId, videoId });
  const keptIds = after.map((clip) => clip.id);
  if (change.sessionId !== null && (await claimMade(tx, change.sessionId, actor.userId, keptIds, CLAIM_SECONDS))) {
    const claims = await claimsOf(tx, change.sessionId);
    await publishToSession(tx, change.sessionId, { type: 'claims-changed', payload: { claims } }, actor.userId);
  }
  const removedClipIds = before.map((clip) => clip.id).filter((id) => !keptIds.includes(id));
  await publishClips(tx, videoId, { cause: change.kind, removedClipIds, clipIds: keptIds }, actor);
  await publishToLibrary(tx, videoId, actor.userId);
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
