import { mentionedIds } from '#lib/core/mentions.ts';
import type { CommentCommand, DoneReply, DrawCommand, MarkCommand } from '#lib/live/commands.ts';
import { userTopic, videoTopic } from '#lib/live/topics.ts';
import type { CommentView, HistoryEntry, MentionView } from '#lib/live/talk-views.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { refusalToDecide, type Actor } from '#lib/server/features/rights.ts';
import { setStars, setTag, tagsInUse } from '#lib/server/stores/clip-marks.ts';
import { clipsById, publishClips } from '#lib/server/stores/clips.ts';
import { historyOf } from '#lib/server/stores/decisions.ts';
import { publish } from '#lib/server/stores/outbox.ts';
import * as talk from '#lib/server/stores/talk.ts';
import { mentionablePeople } from '#lib/server/stores/users.ts';
import { findVideo, lockVideo } from '#lib/server/stores/videos.ts';

const GONE = { kind: 'refused', message: 'This comment was deleted.' } as const;
const HISTORY_LENGTH = 100;

/** Adds, changes, deletes, resolves or reacts to a comment, and tells everyone on the video. */
export async function comment(sql: Database, actor: Actor, command: CommentCommand): Promise<DoneReply> {
  return sql.begin(async (tx): Promise<DoneReply> => {
    const refusal = await refusalToDecide(tx, actor, command.sessionId);
    if (refusal !== null) return refusal;
    if (command.kind === 'add') return addComment(tx, actor, command);
    const found = await talk.lockComment(tx, command.id);
    if (found === null || found.isDeleted) return command.kind === 'delete' ? { kind: 'ok' } : GONE;
    const isOwn = found.authorId === actor.userId;
    switch (command.kind) {
      case 'edit': {
        if (!isOwn) return { kind: 'refused', message: 'Only its author can change a comment.' };
        const mentions = mentionedIds(command.body, await mentionablePeople(tx));
        await talk.updateCommentBody(tx, command.id, command.body, mentions);
        await tellMentioned(
          tx,
          actor,
          command.id,
          mentions.filter((id) => !found.mentions.includes(id)),
        );
        break;
      }
      case 'delete': {
        if (!isOwn && actor.role !== 'admin') return { kind: 'refused', message: 'Only its author or an admin can delete a comment.' };
        for (const id of await talk.deleteThread(tx, command.id)) await publishComment(tx, actor, id);
        return { kind: 'ok' };
      }
      case 'resolve':
        if (found.parentId !== null) return { kind: 'refused', message: 'A thread is resolved at its first comment.' };
        await talk.setResolved(tx, command.id, command.isResolved ? actor.userId : null);
        break;
      case 'react':
        await talk.setReaction(tx, command.id, actor.userId, command.emoji, command.isOn);
        break;
    }
    await publishComment(tx, actor, command.id);
    return { kind: 'ok' };
  }) as Promise<DoneReply>;
}

async function addComment(tx: Transaction, actor: Actor, command: Extract<CommentCommand, { kind: 'add' }>): Promise<DoneReply> {
  const video = await lockVideo(tx, command.videoId);
  if (video?.frameCount == null) return { kind: 'refused', message: 'This video has been removed.' };
  if (command.endFrame <= command.startFrame || command.endFrame > video.frameCount) {
    return { kind: 'refused', message: 'A comment needs at least one frame of the video: choose the range again.' };
  }
  const parent = command.parentId === null ? null : await talk.lockComment(tx, command.parentId);
  if (command.parentId !== null && (parent === null || parent.isDeleted || parent.videoId !== command.videoId)) return GONE;
  const mentions = mentionedIds(command.body, await mentionablePeople(tx));
  const isNew = await talk.insertComment(tx, {
    id: command.id,
    videoId: command.videoId,
    // Replies to replies stay in the one thread.
    parentId: parent === null ? null : (parent.parentId ?? parent.id),
    authorId: actor.userId,
    startFrame: command.startFrame,
    endFrame: command.endFrame,
    body: command.body,
    mentions,
  });
  if (!isNew) return { kind: 'ok' };
  await publishComment(tx, actor, command.id);
  await tellMentioned(tx, actor, command.id, mentions);
  return { kind: 'ok' };
}

async function publishComment(tx: Transaction, actor: Actor, id: string): Promise<void> {
  const [view] = await talk.commentViews(tx, { ids: [id] });
  if (view !== undefined)
    await publish(tx, videoTopic(view.videoId), { type: 'comment-changed', payload: { comment: view } }, actor.userId);
}

async function tellMentioned(tx: Transaction, actor: Actor, commentId: string, userIds: readonly number[]): Promise<void> {
  // In the order of ids: two comments that mention the same people must not wait for each other's topics.
  for (const userId of userIds.filter((id) => id !== actor.userId).sort((one, other) => one - other)) {
    const [mention] = await talk.mentionsOf(tx, userId, commentId);
    if (mention !== undefined) await publish(tx, userTopic(userId), { type: 'mentioned', payload: { mention } }, actor.userId);
  }
}

/** Adds a drawing to a frame, or takes away one's own. */
export async function draw(sql: Database, actor: Actor, command: DrawCommand): Promise<DoneReply> {
  return sql.begin(async (tx): Promise<DoneReply> => {
    const refusal = await refusalToDecide(tx, actor, command.sessionId);
    if (refusal !== null) return refusal;
    if (command.kind !== 'add') {
      const removed = await talk.removeDrawings(tx, actor.userId, command.kind === 'remove' ? { id: command.id } : command);
      const [first] = removed;
      if (first === undefined) return { kind: 'ok' };
      const drawingIds = removed.map((drawing) => drawing.id);
      await publish(tx, videoTopic(first.videoId), { type: 'drawings-removed', payload: { drawingIds } }, actor.userId);
      return { kind: 'ok' };
    }
    const video = await lockVideo(tx, command.videoId);
    if (video?.frameCount == null || command.frame >= video.frameCount)
      return { kind: 'refused', message: 'There is no such frame to draw on.' };
    const isRight = command.points.length % 2 === 0 && (command.tool === 'pen' || command.points.length === 4);
    if (!isRight) return { kind: 'refused', message: 'The drawing came in pieces: draw it again.' };
    if (!(await talk.insertDrawing(tx, { ...command, authorId: actor.userId }))) return { kind: 'ok' };
    const [drawing] = await talk.drawingViews(tx, { id: command.id });
    if (drawing !== undefined)
      await publish(tx, videoTopic(command.videoId), { type: 'drawing-added', payload: { drawing } }, actor.userId);
    return { kind: 'ok' };
  }) as Promise<DoneReply>;
}

/** Tags a clip or gives it stars. Both are remarks, not decisions: the clip's version stays. */
export async function markClip(sql: Database, actor: Actor, command: MarkCommand): Promise<DoneReply> {
  return sql.begin(async (tx): Promise<DoneReply> => {
    const refusal = await refusalToDecide(tx, actor, command.sessionId);
    if (refusal !== null) return refusal;
    const [clip] = await clipsById(tx, [command.clipId]);
    if (clip === undefined) return { kind: 'refused', message: 'This clip was split, merged or removed by someone else in the meantime.' };
    // Under the lock, so that events tell of marks in the order in which they were made.
    await lockVideo(tx, clip.videoId);
    if (command.kind === 'tag') await setTag(tx, clip.id, command.tag, command.isOn, actor.userId);
    else await setStars(tx, clip.id, actor.userId, command.stars);
    await publishClips(tx, clip.videoId, { cause: command.kind, removedClipIds: [], clipIds: [clip.id] }, actor);
    return { kind: 'ok' };
  }) as Promise<DoneReply>;
}

/** What was decided about a clip's frames, newest first; also before it was split or merged. */
export async function clipHistory(sql: Sql, clipId: number): Promise<readonly HistoryEntry[]> {
  const [clip] = await clipsById(sql, [clipId]);
  return clip === undefined ? [] : historyOf(sql, clip.videoId, clip, HISTORY_LENGTH);
}

/** A video's comments, in the order of the film; null when there is no such video. */
export async function commentsOf(sql: Sql, videoId: number): Promise<CommentView[] | null> {
  return (await findVideo(sql, videoId)) === null ? null : talk.commentViews(sql, { videoIds: [videoId] });
}

/** A comment; null when there is none, or none any more. */
export async function commentById(sql: Sql, id: string): Promise<CommentView | null> {
  const [found] = await talk.commentViews(sql, { ids: [id] });
  return found === undefined || found.isDeleted || (await findVideo(sql, found.videoId)) === null ? null : found;
}

/** The comments that mention someone, newest first. */
export function mentions(sql: Sql, userId: number): Promise<MentionView[]> {
  return talk.mentionsOf(sql, userId);
}

/** Who can be mentioned, and the tags in use: what a review page proposes. */
export async function talkers(sql: Sql): Promise<{ people: { id: number; name: string }[]; knownTags: string[] }> {
  const [people, knownTags] = await Promise.all([mentionablePeople(sql), tagsInUse(sql)]);
  return { people, knownTags };
}
