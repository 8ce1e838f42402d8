import type { CommentView, DrawingView, MentionView } from '#lib/live/talk-views.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** A comment with what the rules about it need to know. */
export interface CommentRow {
  readonly id: string;
  readonly videoId: number;
  readonly parentId: string | null;
  readonly authorId: number;
  readonly startFrame: number;
  readonly body: string;
  readonly mentions: readonly number[];
  readonly isDeleted: boolean;
}

/** Comments as a page shows them: those named, deleted or not, or all that stand on the videos named. */
export async function commentViews(
  sql: Sql,
  which: { readonly videoIds: readonly number[] } | { readonly ids: readonly string[] },
): Promise<CommentView[]> {
  return [
    ...(await sql<CommentView[]>`
      select c.id, c.video_id as "videoId", c.parent_id as "parentId", json_build_object('id', a.id, 'name', a.name) as author,
             c.start_frame as "startFrame", c.end_frame as "endFrame",
             case when c.deleted_at is null then c.body else '' end as body,
             coalesce((select json_agg(json_build_object('id', u.id, 'name', u.name)) from users u where u.id = any(c.mentions)), '[]') as mentions,
             coalesce((select json_agg(json_build_object('emoji', r.emoji, 'userId', u.id, 'name', u.name) order by r.at)
                       from comment_reactions r join users u on u.id = r.user_id where r.comment_id = c.id), '[]') as reactions,
             to_char(c.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "createdAt",
             to_char(c.edited_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "editedAt",
             case when c.resolved_at is not null then coalesce(w.name, 'Somebody') end as "resolvedBy", c.deleted_at is not null as "isDeleted"
      from comments c join users a on a.id = c.author_id left join users w on w.id = c.resolved_by
      where ${'ids' in which ? sql`c.id = any(${[...which.ids]}::uuid[])` : sql`c.video_id = any(${[...which.videoIds]}) and c.deleted_at is null`}
      order by c.video_id, c.start_frame, date_trunc('milliseconds', c.created_at), c.id`),
  ];
}

/** Finds a comment; locked, so that two changes of it come one after the other. */
export async function lockComment(tx: Transaction, id: string): Promise<CommentRow | null> {
  const [row] = await tx<CommentRow[]>`
    select id, video_id as "videoId", parent_id as "parentId", author_id as "authorId", start_frame as "startFrame", body, mentions,
           deleted_at is not null as "isDeleted"
    from comments where id = ${id} for update`;
  return row ?? null;
}

/** Adds a comment; one that is there already stays, and false is given. */
export async function insertComment(
  tx: Transaction,
  comment: Omit<CommentRow, 'isDeleted'> & { readonly endFrame: number },
): Promise<boolean> {
  const rows = await tx`
    insert into comments (id, video_id, parent_id, author_id, start_frame, end_frame, body, mentions)
    values (${comment.id}, ${comment.videoId}, ${comment.parentId}, ${comment.authorId}, ${comment.startFrame}, ${comment.endFrame},
            ${comment.body}, ${[...comment.mentions]}::int[])
    on conflict (id) do nothing returning id`;
  return rows.length === 1;
}

/** Changes a comment's words. */
export async function updateCommentBody(tx: Transaction, id: string, body: string, mentions: readonly number[]): Promise<void> {
  await tx`update comments set body = ${body}, mentions = ${[...mentions]}::int[], edited_at = now() where id = ${id} and body <> ${body}`;
}

/** Deletes a comment together with its replies; gives the ids of all. */
export async function deleteThread(tx: Transaction, id: string): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    update comments set deleted_at = now() where (id = ${id} or parent_id = ${id}) and deleted_at is null returning id`;
  return rows.map((row) => row.id);
}

/** Marks a thread as resolved by someone, or with null as open again. */
export async function setResolved(tx: Transaction, id: string, userId: number | null): Promise<void> {
  await tx`
    update comments set resolved_at = ${userId === null ? null : tx`coalesce(resolved_at, now())`},
           resolved_by = ${userId === null ? null : tx`coalesce(resolved_by, ${userId})`}
    where id = ${id}`;
}

/** Gives a reaction to a comment, or takes it back. */
export async function setReaction(tx: Transaction, id: string, userId: number, emoji: string, isOn: boolean): Promise<void> {
  await (isOn
    ? tx`insert into comment_reactions (comment_id, user_id, emoji) values (${id}, ${userId}, ${emoji}) on conflict do nothing`
    : tx`delete from comment_reactions where comment_id = ${id} and user_id = ${userId} and emoji = ${emoji}`);
}

/** The comments that mention a person, newest first. */
export async function mentionsOf(sql: Sql, userId: number, commentId?: string): Promise<MentionView[]> {
  return [
    ...(await sql<MentionView[]>`
      select c.id as "commentId", c.video_id as "videoId", v.title as "videoTitle", u.name as "authorName", c.body,
             c.start_frame as "startFrame", to_char(c.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at
      from comments c join videos v on v.id = c.video_id and v.deleted_at is null join users u on u.id = c.author_id
      where c.mentions @> ${[userId]}::int[] and c.deleted_at is null and (${commentId ?? null}::uuid is null or c.id = ${commentId ?? null}::uuid)
      order by c.created_at desc limit 100`),
  ];
}

/** Drawings as a page shows them: the one named, or all on the videos named. */
export async function drawingViews(
  sql: Sql,
  which: { readonly videoIds: readonly number[] } | { readonly id: string },
): Promise<DrawingView[]> {
  return [
    ...(await sql<DrawingView[]>`
      select d.id, d.video_id as "videoId", d.frame, json_build_object('id', u.id, 'name', u.name) as author, d.tool, d.color, d.points
      from drawings d join users u on u.id = d.author_id
      where d.removed_at is null and ${'id' in which ? sql`d.id = ${which.id}` : sql`d.video_id = any(${[...which.videoIds]})`}
      order by d.created_at`),
  ];
}

/** Adds a drawing; one that is there already stays, and false is given. */
export async function insertDrawing(
  tx: Transaction,
  drawing: Omit<DrawingView, 'author'> & { readonly authorId: number },
): Promise<boolean> {
  const rows = await tx`
    insert into drawings (id, video_id, frame, author_id, tool, color, points)
    values (${drawing.id}, ${drawing.videoId}, ${drawing.frame}, ${drawing.authorId}, ${drawing.tool}, ${drawing.color},
            ${[...drawing.points]}::real[])
    on conflict (id) do nothing returning id`;
  return rows.length === 1;
}

/** Takes away a person's own drawings: the one named, or all on a frame. Gives their video and ids. */
export async function removeDrawings(
  tx: Transaction,
  authorId: number,
  which: { readonly id: string } | { readonly videoId: number; readonly frame: number },
): Promise<{ id: string; videoId: number }[]> {
  return [
    ...(await tx<{ id: string; videoId: number }[]>`
      update drawings set removed_at = now()
      where author_id = ${authorId} and removed_at is null
        and ${'id' in which ? tx`id = ${which.id}` : tx`video_id = ${which.videoId} and frame = ${which.frame}`}
      returning id, video_id as "videoId"`),
  ];
}
