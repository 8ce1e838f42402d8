import * as v from 'valibot';
import { NOTHING, operation } from '#lib/server/api/define-operation.ts';
import { done } from '#lib/server/api/operations/clips.ts';
import { problem } from '#lib/server/api/problem.ts';
import { CommentSchema, frame, id, pageSchema, paging } from '#lib/server/api/schemas.ts';
import { pageOf } from '#lib/server/api/cursor.ts';
import { CommentCommandSchema } from '#lib/live/commands.ts';
import { EMOJI } from '#lib/live/talk-views.ts';
import { comment, commentById, commentsOf } from '#lib/server/features/talk.ts';

const GONE = problem('not-found', 'There is no such comment, or it was deleted.');
const uuid = v.pipe(v.string(), v.uuid());
const { body } = CommentCommandSchema.options[0].entries;

/** Comments on frames. */
export const commentOperations = [
  operation({
    id: 'listComments',
    method: 'GET',
    path: '/videos/{videoId}/comments',
    tag: 'Comments',
    scope: 'read',
    summary: 'A video’s comments, in the order of the film',
    params: { videoId: id },
    query: paging,
    answer: pageSchema(CommentSchema),
    problems: ['not-found'],
    run: async ({ sql, params: { videoId }, query }) => {
      const comments = await commentsOf(sql, videoId);
      if (comments === null) return problem('not-found', 'There is no such video, or it was removed.');
      // Several may begin at one frame: a place in the list is what tells them apart.
      const placed = comments.map((view, place) => ({ view, place: place + 1 }));
      const page = pageOf(placed, ({ place }) => place, query);
      return { kind: 'ok', body: { ...page, items: page.items.map(({ view }) => view) } };
    },
  }),
  operation({
    id: 'addComment',
    method: 'POST',
    path: '/videos/{videoId}/comments',
    tag: 'Comments',
    scope: 'review',
    summary: 'Comment on frames, or reply',
    description: '`@` and a name mention that person. With an `Idempotency-Key` a repeat adds nothing.',
    params: { videoId: id },
    body: v.object({ startFrame: frame, endFrame: frame, body, parentId: v.optional(v.nullable(uuid), null), sessionId: v.optional(id) }),
    answer: CommentSchema,
    status: 201,
    problems: ['refused'],
    takesIdempotencyKey: true,
    run: async ({ sql, actor, params: { videoId }, body: said, commandId }) => {
      const reply = await comment(sql, actor, { ...said, kind: 'add', id: commandId, videoId });
      if (reply.kind === 'refused') return problem('refused', reply.message);
      const added = await commentById(sql, commandId);
      return added === null ? GONE : { kind: 'ok', body: added };
    },
  }),
  operation({
    id: 'changeComment',
    method: 'PATCH',
    path: '/comments/{commentId}',
    tag: 'Comments',
    scope: 'review',
    summary: 'Change one’s own comment, resolve a thread or open it again',
    params: { commentId: uuid },
    body: v.object({ body: v.optional(body), isResolved: v.optional(v.boolean()) }),
    answer: CommentSchema,
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { commentId }, body: change }) => {
      if ((await commentById(sql, commentId)) === null) return GONE;
      const changes = [
        ...(change.body === undefined ? [] : [{ kind: 'edit', id: commentId, body: change.body } as const]),
        ...(change.isResolved === undefined ? [] : [{ kind: 'resolve', id: commentId, isResolved: change.isResolved } as const]),
      ];
      for (const command of changes) {
        const reply = await comment(sql, actor, command);
        if (reply.kind === 'refused') return problem('refused', reply.message);
      }
      const changed = await commentById(sql, commentId);
      return changed === null ? GONE : { kind: 'ok', body: changed };
    },
  }),
  operation({
    id: 'deleteComment',
    method: 'DELETE',
    path: '/comments/{commentId}',
    tag: 'Comments',
    scope: 'review',
    summary: 'Delete one’s own comment, with its replies',
    params: { commentId: uuid },
    answer: 'nothing',
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { commentId } }) =>
      (await commentById(sql, commentId)) === null ? GONE : done(await comment(sql, actor, { kind: 'delete', id: commentId })),
  }),
  ...([true, false] as const).map((isOn) =>
    operation({
      id: isOn ? 'addReaction' : 'removeReaction',
      method: isOn ? 'PUT' : 'DELETE',
      path: '/comments/{commentId}/reactions/{emoji}',
      tag: 'Comments',
      scope: 'review',
      summary: isOn ? 'React to a comment' : 'Take a reaction back',
      params: { commentId: uuid, emoji: v.picklist(EMOJI) },
      answer: 'nothing',
      problems: ['not-found', 'refused'],
      run: async ({ sql, actor, params: { commentId, emoji } }) => {
        const reply = await comment(sql, actor, { kind: 'react', id: commentId, emoji, isOn });
        return reply.kind === 'refused' ? problem('refused', reply.message) : NOTHING;
      },
    }),
  ),
];
