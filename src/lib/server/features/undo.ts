import type { LiveClip } from '#lib/core/review.ts';
import type { ReviewReply, UndoRequest } from '#lib/live/commands.ts';
import type { Database } from '#lib/server/db.ts';
import { commitChange, replyTo, type Actor } from '#lib/server/features/review-clip.ts';
import { clipsById, liveClips } from '#lib/server/stores/clips.ts';
import { decisionOfCommand, latestRedoable, latestUndoable } from '#lib/server/stores/decisions.ts';
import { lockVideo } from '#lib/server/stores/videos.ts';

/**
 * Reverses the actor's own latest decision on a video, or with `redo` their latest undo.
 *
 * The reversal is a new fact; history stays. When someone else has since changed a clip that it
 * would touch, nothing happens and the answer says so: nobody's work is undone silently.
 */
export async function undoDecision(sql: Database, actor: Actor, request: UndoRequest): Promise<ReviewReply> {
  if (actor.role === 'viewer') return { kind: 'refused', message: 'Only reviewers decide, so there is nothing of yours to undo.' };
  return sql.begin(async (tx): Promise<ReviewReply> => {
    if ((await lockVideo(tx, request.videoId)) === null) return { kind: 'refused', message: 'This video has been removed.' };
    const repeated = await decisionOfCommand(tx, request.commandId);
    if (repeated !== null) return replyTo(tx, repeated, repeated.kind === 'undo' ? 'Undone' : 'Redone');

    const find = request.direction === 'undo' ? latestUndoable : latestRedoable;
    const target = await find(tx, request.videoId, actor.userId);
    if (target === null) return { kind: 'refused', message: `You have nothing to ${request.direction} on this video.` };

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
        message: `Your ${describe(target.kind)} can’t be ${request.direction === 'undo' ? 'undone' : 'redone'}: the clip was changed again since.`,
      };
    }
    const decision = await commitChange(tx, actor, {
      commandId: request.commandId,
      videoId: request.videoId,
      kind: request.direction,
      before: current,
      after: target.beforeClips,
      afterCuts: target.beforeCuts,
      reversesId: target.id,
    });
    return replyTo(tx, decision, `${request.direction === 'undo' ? 'Undone' : 'Redone'}: ${describe(target.kind)}`);
  }) as Promise<ReviewReply>;
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
