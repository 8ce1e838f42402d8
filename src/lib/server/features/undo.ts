import { toTimecode } from '#lib/core/frame-rate.ts';
import type { Refused, ReviewReply, UndoableReply, UndoRequest, UndoScope } from '#lib/live/commands.ts';
import type { VoteView } from '#lib/live/session-views.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { isAsLeft, replyToBatch, reversalOfCommand, reverseBatch } from '#lib/server/features/decision-batch.ts';
import { commitChange, replyTo } from '#lib/server/features/review-clip.ts';
import { refusalToDecide, requireUnderWay, type Actor } from '#lib/server/features/rights.ts';
import { clipsById, liveClips } from '#lib/server/stores/clips.ts';
import { findBatch, sizeOfBatch, videosOfBatch, type DecisionBatch } from '#lib/server/stores/decision-batches.ts';
import { decisionOfCommand, latestRedoable, latestUndoable, type Decision } from '#lib/server/stores/decisions.ts';
import { publishToSession } from '#lib/server/stores/review-sessions.ts';
import { findVideo, lockVideo, timebaseOf } from '#lib/server/stores/videos.ts';
import { latestVote, votesOnClip, voteWithdrawnBy, withdrawVote } from '#lib/server/stores/votes.ts';

/**
 * Reverses the actor's own latest decision on a video or in a session, or with `redo` their latest undo.
 *
 * The reversal is a new fact; history stays. When someone else has since changed a clip that it
 * would touch, nothing happens and the answer says so: nobody's work is undone silently. In a
 * session, a vote that came after the last decision is what undo takes back. What one command decided about
 * many clips is reversed at once, but for those clips that were changed since.
 */
export async function undoDecision(sql: Database, actor: Actor, request: UndoRequest): Promise<ReviewReply> {
  const { scope, direction, commandId } = request;
  return sql.begin(async (tx): Promise<ReviewReply> => {
    const earlier = await replyToRepeat(tx, request);
    if (earlier !== null) return earlier;
    const refusal = await refusalToUndo(tx, actor, scope);
    if (refusal !== null) return refusal;
    if (scope.kind === 'video' && (await findVideo(tx, scope.videoId)) === null) {
      return { kind: 'refused', message: 'This video has been removed.' };
    }
    const found = await lockTarget(tx, actor, request);
    // Under the lock again: the first of two may have been under way.
    const repeated = await replyToRepeat(tx, request);
    if (repeated !== null) return repeated;
    if (found === null) {
      const where = scope.kind === 'video' ? 'on this video' : 'in this session';
      return { kind: 'refused', message: `You have nothing to ${direction} ${where}.` };
    }
    if (found.kind === 'vote') return takeBack(tx, actor, found.sessionId, found.vote, commandId);
    if (found.kind === 'batch') return reverseBatch(tx, actor, found.batch, { commandId, direction, sessionId: sessionOf(scope) ?? null });
    const target = found.decision;
    const current = await liveClips(
      tx,
      target.afterClips.map((clip) => clip.id),
    );
    const isUntouched = target.afterClips.every((left) => current.some((live) => isAsLeft(live, left)));
    if (!isUntouched) {
      const [view] = await clipsById(
        tx,
        current.map((clip) => clip.id),
      );
      return {
        kind: 'conflict',
        current: view ?? null,
        message: `Your ${describe(target.kind)} can’t be ${direction === 'undo' ? 'undone' : 'redone'}: the clip was changed again since.`,
      };
    }
    const decision = await commitChange(tx, actor, {
      commandId,
      videoId: target.videoId,
      kind: direction,
      before: current,
      after: target.beforeClips,
      afterCuts: target.beforeCuts,
      reversesId: target.id,
      sessionId: sessionOf(scope) ?? null,
    });
    return replyTo(tx, decision, `${direction === 'undo' ? 'Undone' : 'Redone'}: ${describe(target.kind)}`);
  }) as Promise<ReviewReply>;
}

/** What undo and redo would do now, in words for their buttons. */
export async function undoable(sql: Sql, actor: Actor, scope: UndoScope): Promise<UndoableReply> {
  const refusal = await refusalToUndo(sql, actor, scope);
  if (refusal !== null) return refusal;
  const [last, undone] = [await findTarget(sql, actor, scope, 'undo'), await latestRedoable(sql, scope, actor.userId)];
  const undo = last === null ? null : await wordsOf(sql, last);
  const redo = undone === null ? null : await inWords(sql, 'what you undid', undone.videoId, undone.beforeClips[0]?.startFrame ?? 0);
  return { kind: 'ok', undo, redo };
}

/** What a command would reverse: a decision, what was decided about many clips at once, or a vote in a session. */
type Target =
  | { readonly kind: 'batch'; readonly videoId: number; readonly batch: DecisionBatch }
  | { readonly kind: 'decision'; readonly videoId: number; readonly decision: Decision }
  | { readonly kind: 'vote'; readonly videoId: number; readonly vote: VoteView & { startFrame: number }; readonly sessionId: number };

async function wordsOf(sql: Sql, target: Target): Promise<string> {
  if (target.kind === 'batch') return `${target.batch.kind} of ${await sizeOfBatch(sql, target.batch.id)} clips at once`;
  if (target.kind === 'vote') return inWords(sql, `vote to ${target.vote.choice}`, target.videoId, target.vote.startFrame);
  return inWords(sql, describe(target.decision.kind), target.videoId, target.decision.beforeClips.at(-1)?.startFrame ?? 0);
}

async function refusalToUndo(sql: Sql, actor: Actor, scope: UndoScope): Promise<Refused | null> {
  if (scope.kind === 'video') return refusalToDecide(sql, actor, undefined);
  const allowed = await requireUnderWay(sql, actor, scope.sessionId);
  return allowed.kind === 'refused' ? allowed : null;
}

/** The answer that a command got before; null for a new one. */
async function replyToRepeat(tx: Transaction, { scope, commandId }: UndoRequest): Promise<ReviewReply | null> {
  const decision = await decisionOfCommand(tx, commandId);
  if (decision !== null) return replyTo(tx, decision, decision.kind === 'undo' ? 'Undone' : 'Redone');
  const batch = await reversalOfCommand(tx, commandId);
  if (batch !== null) return replyToBatch(tx, batch, batch.kind === 'undo' ? 'Undone' : 'Redone');
  const vote = scope.kind === 'session' ? await voteWithdrawnBy(tx, commandId) : null;
  return vote === null || scope.kind !== 'session'
    ? null
    : takenBack(vote, await votesOnClip(tx, scope.sessionId, vote.clipId, vote.version));
}

/** The latest of the actor's decisions, or of their votes, that the command could reverse. */
async function findTarget(sql: Sql, actor: Actor, scope: UndoScope, direction: UndoRequest['direction']): Promise<Target | null> {
  const find = direction === 'undo' ? latestUndoable : latestRedoable;
  const decision = await find(sql, scope, actor.userId);
  const vote = scope.kind === 'session' && direction === 'undo' ? await latestVote(sql, scope.sessionId, actor.userId) : null;
  const isVoteLast = scope.kind === 'session' && vote !== null && (decision === null || vote.at >= decision.at);
  const batchId = isVoteLast ? vote.batchId : decision?.batchId;
  const batch = batchId == null ? null : await findBatch(sql, batchId);
  if (batch !== null) return { kind: 'batch', videoId: batch.videoId, batch };
  if (isVoteLast) {
    return { kind: 'vote', videoId: vote.videoId, vote, sessionId: scope.sessionId };
  }
  return decision === null ? null : { kind: 'decision', videoId: decision.videoId, decision };
}

/** Finds what is to be reversed and locks its videos: whoever was first to decide or vote there is waited for. */
async function lockTarget(tx: Transaction, actor: Actor, { scope, direction }: UndoRequest): Promise<Target | null> {
  for (;;) {
    const target = await findTarget(tx, actor, scope, direction);
    if (target === null) return null;
    // In this order, as whoever decides many at once.
    const videoIds = target.kind === 'batch' ? await videosOfBatch(tx, target.batch.id) : [target.videoId];
    for (const videoId of videoIds.sort((one, other) => one - other)) await lockVideo(tx, videoId);
    const still = await findTarget(tx, actor, scope, direction);
    if (still?.kind === target.kind && still.videoId === target.videoId) return still;
  }
}

/** Takes back a vote. The clip's video is locked, so votes are counted one after the other. */
async function takeBack(tx: Transaction, actor: Actor, sessionId: number, vote: VoteView, commandId: string): Promise<ReviewReply> {
  const { clipId, version } = vote;
  await withdrawVote(tx, vote, sessionId, commandId);
  const votes = await votesOnClip(tx, sessionId, clipId, version);
  await publishToSession(tx, sessionId, { type: 'votes-changed', payload: { clipId, votes } }, actor.userId);
  return takenBack(vote, votes);
}

function takenBack({ clipId, choice }: VoteView, votes: readonly VoteView[]): ReviewReply {
  return { kind: 'voted', clipId, votes, summary: `Taken back: vote to ${choice}` };
}

async function inWords(sql: Sql, what: string, videoId: number, frame: number): Promise<string> {
  const video = await findVideo(sql, videoId);
  const timebase = video === null ? null : timebaseOf(video);
  return timebase === null ? what : `${what} at ${toTimecode(frame, timebase)}`;
}

function sessionOf(scope: UndoScope): number | undefined {
  return scope.kind === 'session' ? scope.sessionId : undefined;
}

function describe(kind: string): string {
  return kind === 'undo' ? 'decision' : kind.replace('-', ' ');
}
