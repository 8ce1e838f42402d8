import type { LiveClip } from '#lib/core/review.ts';
import { toTimecode } from '#lib/core/frame-rate.ts';
import type { ReviewReply, UndoableReply, UndoRequest, UndoScope } from '#lib/live/commands.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { commitChange, replyTo } from '#lib/server/features/review-clip.ts';
import { refusalToDecide, type Actor } from '#lib/server/features/rights.ts';
import { clipsById, liveClips } from '#lib/server/stores/clips.ts';
import { decisionOfCommand, latestRedoable, latestUndoable, type Decision } from '#lib/server/stores/decisions.ts';
import { publishToSession } from '#lib/server/stores/review-sessions.ts';
import { findVideo, lockVideo } from '#lib/server/stores/videos.ts';
import { latestVote, votesOnClip, voteWithdrawnBy, withdrawVote } from '#lib/server/stores/votes.ts';

/**
 * Reverses the actor's own latest decision on a video or in a session, or with `redo` their latest undo.
 *
 * The reversal is a new fact; history stays. When someone else has since changed a clip that it
 * would touch, nothing happens and the answer says so: nobody's work is undone silently. In a
 * session, a vote that came after the last decision is what undo takes back.
 */
export async function undoDecision(sql: Database, actor: Actor, request: UndoRequest): Promise<ReviewReply> {
  const { scope, direction, commandId } = request;
  return sql.begin(async (tx): Promise<ReviewReply> => {
    const refusal = await refusalToDecide(tx, actor, sessionOf(scope));
    if (refusal !== null) return refusal;
    if (scope.kind === 'video' && (await lockVideo(tx, scope.videoId)) === null) {
      return { kind: 'refused', message: 'This video has been removed.' };
    }
    const target = await lockTarget(tx, actor, request);
    const repeated = await decisionOfCommand(tx, commandId);
    if (repeated !== null) return replyTo(tx, repeated, repeated.kind === 'undo' ? 'Undone' : 'Redone');
    if (scope.kind === 'session' && direction === 'undo') {
      const reply = await undoVote(tx, actor, scope.sessionId, commandId, target?.at ?? null);
      if (reply !== null) return reply;
    }
    if (target === null) {
      const where = scope.kind === 'video' ? 'on this video' : 'in this session';
      return { kind: 'refused', message: `You have nothing to ${direction} ${where}.` };
    }
    const current = await liveClips(
      tx,
      target.afterClips.map((clip) => clip.id),
    );
    const isUntouched = target.afterClips.every((left) => current.some((live) => isSameClip(live, left)));
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
  const refusal = await refusalToDecide(sql, actor, sessionOf(scope));
  if (refusal !== null) return refusal;
  const [last, undone] = [await latestUndoable(sql, scope, actor.userId), await latestRedoable(sql, scope, actor.userId)];
  const vote = scope.kind === 'session' ? await latestVote(sql, scope.sessionId, actor.userId) : null;
  const undo =
    vote !== null && (last === null || vote.at > last.at)
      ? await inWords(sql, `vote to ${vote.choice}`, vote.videoId, vote.startFrame)
      : last === null
        ? null
        : await inWords(sql, describe(last.kind), last.videoId, last.beforeClips.at(-1)?.startFrame ?? 0);
  const redo = undone === null ? null : await inWords(sql, 'what you undid', undone.videoId, undone.beforeClips[0]?.startFrame ?? 0);
  return { kind: 'ok', undo, redo };
}

/** Finds what is to be reversed and, in a session, locks its video: whoever was first to decide there is waited for. */
async function lockTarget(tx: Transaction, actor: Actor, { scope, direction }: UndoRequest): Promise<(Decision & { at?: Date }) | null> {
  const find = direction === 'undo' ? latestUndoable : latestRedoable;
  if (scope.kind === 'video') return find(tx, scope, actor.userId);
  for (;;) {
    const target = await find(tx, scope, actor.userId);
    if (target === null) return null;
    await lockVideo(tx, target.videoId);
    const still = await find(tx, scope, actor.userId);
    if (still?.videoId === target.videoId) return still;
  }
}

/** Takes back the actor's latest vote if it is later than `decidedAt`; null when there is none. */
async function undoVote(
  tx: Transaction,
  actor: Actor,
  sessionId: number,
  commandId: string,
  decidedAt: Date | null,
): Promise<ReviewReply | null> {
  const withdrawn = await voteWithdrawnBy(tx, commandId);
  const vote = withdrawn ?? (await latestVote(tx, sessionId, actor.userId));
  if (vote === null) return null;
  if (withdrawn === null) {
    if (decidedAt !== null && 'at' in vote && (vote.at as Date) < decidedAt) return null;
    await withdrawVote(tx, vote, sessionId, commandId);
  }
  const votes = await votesOnClip(tx, sessionId, vote.clipId, vote.version);
  if (withdrawn === null)
    await publishToSession(tx, sessionId, { type: 'votes-changed', payload: { clipId: vote.clipId, votes } }, actor.userId);
  return { kind: 'voted', clipId: vote.clipId, votes, summary: `Taken back: vote to ${vote.choice}` };
}

async function inWords(sql: Sql, what: string, videoId: number, frame: number): Promise<string> {
  const video = await findVideo(sql, videoId);
  if (video?.frameRateNum == null || video.frameRateDen === null) return what;
  return `${what} at ${toTimecode(frame, { num: video.frameRateNum, den: video.frameRateDen })}`;
}

function sessionOf(scope: UndoScope): number | undefined {
  return scope.kind === 'session' ? scope.sessionId : undefined;
}

function describe(kind: string): string {
  return kind === 'undo' ? 'decision' : kind.replace('-', ' ');
}

/**
 * Whether a clip is as a decision left it. Versions don't tell: they also rise when someone goes on
 * from here and undoes that again.
 */
function isSameClip(live: LiveClip, left: LiveClip): boolean {
  return (
    live.id === left.id &&
    live.startFrame === left.startFrame &&
    live.endFrame === left.endFrame &&
    live.state === left.state &&
    live.groupId === left.groupId
  );
}
