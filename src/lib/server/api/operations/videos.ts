import * as v from 'valibot';
import { CUT_LIST_FORMATS } from '#lib/core/interchange/cut-list.ts';
import { FORMATS } from '#lib/core/interchange/write.ts';
import { fromCursor, pageOf, toCursor } from '#lib/server/api/cursor.ts';
import { NOTHING, operation } from '#lib/server/api/define-operation.ts';
import { problem } from '#lib/server/api/problem.ts';
import { ClipSchema, ClipStateSchema, id, pageSchema, paging, text, VideoSchema, VideoStateSchema } from '#lib/server/api/schemas.ts';
import { sendFile, sendList } from '#lib/server/api/send-file.ts';
import { videoClips, videosPage, videoView } from '#lib/server/features/browse-library.ts';
import { videoFile } from '#lib/server/features/download-files.ts';
import { importUrl } from '#lib/server/features/import-video.ts';
import { videoListFile } from '#lib/server/features/interchange.ts';
import { bringBackVideo, removedVideos, removeVideo, retryVideo } from '#lib/server/features/manage-video.ts';

const GONE = problem('not-found', 'There is no such video, or it was removed.');
const params = { videoId: id };
/** Which cut list to write. */
export const cutListQuery = { format: v.picklist(CUT_LIST_FORMATS), clips: v.optional(v.picklist(['approved', 'all']), 'approved') };
/** The media types of cut lists. */
export const CUT_LIST_TYPES = [...new Set(CUT_LIST_FORMATS.map((format) => FORMATS[format].contentType))];

/** The library. */
export const videoOperations = [
  operation({
    id: 'listVideos',
    method: 'GET',
    path: '/videos',
    tag: 'Videos',
    scope: 'read',
    summary: 'Videos, the newest first',
    query: { state: v.optional(VideoStateSchema), title: v.optional(v.pipe(text(200), v.description('Part of the title.'))), ...paging },
    answer: pageSchema(VideoSchema),
    run: async ({ sql, query: { cursor, limit, ...filters } }) => {
      const beforeId = cursor === undefined ? null : Number(fromCursor(cursor));
      const videos = await videosPage(sql, { ...filters, beforeId, limit: limit + 1 });
      const items = videos.slice(0, limit);
      return { kind: 'ok', body: { items, nextCursor: videos.length > limit ? toCursor(items.at(-1)!.id) : null } };
    },
  }),
  operation({
    id: 'importVideo',
    method: 'POST',
    path: '/videos',
    tag: 'Videos',
    scope: 'import',
    summary: 'Import a video from an address',
    description:
      'The address is of a file or of a page with a video. Safe to repeat: the same address, or the same content, is the same video (200 instead of 202). ' +
      'Wait for it with the webhook `video.ready`, or by asking for the video until its `state` is `ready` or `failed`. ' +
      'Files are uploaded by the tus protocol at `/uploads`, with the same token: see the guide.',
    body: v.object({ url: text(4000) }),
    answer: VideoSchema,
    status: 202,
    problems: ['refused'],
    run: async ({ sql, actor, body }) => {
      const outcome = await importUrl(sql, actor, body);
      if (outcome.kind === 'refused') return problem('refused', outcome.message);
      const video = await videoView(sql, outcome.videoId);
      if (video === null) return GONE;
      return { kind: 'ok', status: outcome.kind === 'ok' ? 202 : 200, location: `/api/v1/videos/${video.id}`, body: video };
    },
  }),
  operation({
    id: 'getVideo',
    method: 'GET',
    path: '/videos/{videoId}',
    tag: 'Videos',
    scope: 'read',
    summary: 'A video with its stages and counts',
    params,
    answer: VideoSchema,
    problems: ['not-found'],
    run: async ({ sql, params: { videoId } }) => {
      const video = await videoView(sql, videoId);
      return video === null ? GONE : { kind: 'ok', body: video };
    },
  }),
  operation({
    id: 'removeVideo',
    method: 'DELETE',
    path: '/videos/{videoId}',
    tag: 'Videos',
    scope: 'import',
    summary: 'Remove a video',
    description: 'It can be restored for some days, with all that belongs to it.',
    params,
    answer: 'nothing',
    problems: ['not-found'],
    run: async ({ sql, actor, params: { videoId } }) => ((await removeVideo(sql, actor, videoId)).kind === 'ok' ? NOTHING : GONE),
  }),
  operation({
    id: 'listRemovedVideos',
    method: 'GET',
    path: '/removed-videos',
    tag: 'Videos',
    scope: 'import',
    summary: 'Removed videos that can still be restored',
    answer: v.object({
      items: v.array(
        v.object({
          ...{ id: VideoSchema.entries.id, title: v.string(), deletedAt: VideoSchema.entries.createdAt },
          ...{ deletedBy: v.nullable(v.string()), goesAt: VideoSchema.entries.createdAt, clipCount: VideoSchema.entries.id },
        }),
      ),
    }),
    run: async ({ sql }) => ({ kind: 'ok', body: { items: await removedVideos(sql) } }),
  }),
  operation({
    id: 'restoreVideo',
    method: 'POST',
    path: '/videos/{videoId}/restore',
    tag: 'Videos',
    scope: 'import',
    summary: 'Restore a removed video',
    params,
    answer: VideoSchema,
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { videoId } }) => {
      const outcome = await bringBackVideo(sql, actor, videoId);
      if (outcome.kind === 'refused') return problem('refused', outcome.message);
      const video = await videoView(sql, videoId);
      return video === null ? GONE : { kind: 'ok', body: video };
    },
  }),
  operation({
    id: 'retryVideo',
    method: 'POST',
    path: '/videos/{videoId}/retry',
    tag: 'Videos',
    scope: 'import',
    summary: 'Send a failed video again through the stage in which it failed',
    params,
    answer: VideoSchema,
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { videoId } }) => {
      if ((await videoView(sql, videoId)) === null) return GONE;
      const outcome = await retryVideo(sql, actor, videoId);
      if (outcome.kind === 'refused') return problem('refused', outcome.message);
      const video = await videoView(sql, videoId);
      return video === null ? GONE : { kind: 'ok', body: video };
    },
  }),
  operation({
    id: 'listVideoClips',
    method: 'GET',
    path: '/videos/{videoId}/clips',
    tag: 'Videos',
    scope: 'read',
    summary: 'A video’s clips, in the order of the film',
    params,
    query: { state: v.optional(ClipStateSchema), ...paging },
    answer: pageSchema(ClipSchema),
    problems: ['not-found'],
    run: async ({ sql, params: { videoId }, query: { state, ...page } }) => {
      const clips = await videoClips(sql, videoId);
      if (clips === null) return GONE;
      const chosen = state === undefined ? clips : clips.filter((clip) => clip.state === state);
      return { kind: 'ok', body: pageOf(chosen, (clip) => clip.startFrame, page) };
    },
  }),
  operation({
    id: 'getVideoCutList',
    method: 'GET',
    path: '/videos/{videoId}/cut-list',
    tag: 'Videos',
    scope: 'read',
    summary: 'A video’s decisions as OTIO, EDL, Final Cut Pro XML or CSV',
    params,
    query: cutListQuery,
    answer: CUT_LIST_TYPES,
    problems: ['not-found', 'refused'],
    run: async ({ sql, params: { videoId }, query }) => sendList(await videoListFile(sql, videoId, query.format, query.clips), GONE),
  }),
  operation({
    id: 'getVideoFile',
    method: 'GET',
    path: '/videos/{videoId}/files/{file}',
    tag: 'Videos',
    scope: 'read',
    summary: 'A video’s poster, review proxy or master',
    description: 'Takes ranges. May answer with a redirect to the CDN: follow it without the token.',
    params: { ...params, file: v.picklist(['poster', 'proxy', 'master']) },
    answer: ['video/mp4', 'image/jpeg'],
    problems: ['not-found'],
    run: async ({ sql, params: { videoId, file }, request }) => {
      const found = await videoFile(sql, videoId, file);
      return found === null
        ? problem('not-found', `This video has no ${file} that can be read now: it is not made yet, archived or removed.`)
        : sendFile(request, found);
    },
  }),
];
