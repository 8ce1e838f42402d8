import * as v from 'valibot';
import { pageOf } from '#lib/server/api/cursor.ts';
import { operation } from '#lib/server/api/define-operation.ts';
import { problem } from '#lib/server/api/problem.ts';
import { ClipSchema, ExportSettingsSchema, ExportStateSchema, FoundClipSchema, id, pageSchema, paging } from '#lib/server/api/schemas.ts';
import { sendFile } from '#lib/server/api/send-file.ts';
import { clipView, exportsPage } from '#lib/server/features/browse-library.ts';
import { exportedFiles } from '#lib/server/features/download-files.ts';
import { changeExportSettings, currentExportSettings, exportAgain } from '#lib/server/features/export-clips.ts';
import { retryExport } from '#lib/server/features/manage-video.ts';
import { zipResponse } from '#lib/server/zip-response.ts';

const NOT_EXPORTED = problem('not-found', 'This clip is not exported (yet): approve it and wait for the webhook `export.done`.');
const clipIds = v.pipe(v.array(id), v.minLength(1), v.maxLength(1000));
const params = { clipId: id };
const { videoTitle, frameRate } = FoundClipSchema.entries;

/** Exported clips. A clip is exported by itself when it is approved. */
export const exportOperations = [
  operation({
    id: 'listExports',
    method: 'GET',
    path: '/exports',
    tag: 'Exports',
    scope: 'read',
    summary: 'Approved clips with how their exports stand, those with the highest ids first',
    query: { state: v.optional(ExportStateSchema), ...paging },
    answer: pageSchema(v.object({ clip: ClipSchema, videoTitle, frameRate })),
    run: async ({ sql, query: { state, ...page } }) => {
      const { items } = await exportsPage(sql);
      const chosen = items.filter(({ clip }) => state === undefined || clip.exportState === state);
      return {
        kind: 'ok',
        body: pageOf(
          chosen.sort((one, other) => other.clip.id - one.clip.id),
          ({ clip }) => clip.id,
          page,
        ),
      };
    },
  }),
  operation({
    id: 'startExports',
    method: 'POST',
    path: '/exports',
    tag: 'Exports',
    scope: 'export',
    summary: 'Export approved clips once more, from the proxy or the master',
    body: v.object({ clipIds, source: ExportSettingsSchema.entries.source }),
    answer: v.object({ clipIds: v.array(v.number()) }),
    status: 202,
    problems: ['refused'],
    run: async ({ sql, actor, body }) => {
      const outcome = await exportAgain(sql, actor, body.clipIds, body.source);
      return outcome.kind === 'refused' ? problem('refused', outcome.message) : { kind: 'ok', body: { clipIds: body.clipIds } };
    },
  }),
  operation({
    id: 'retryExport',
    method: 'POST',
    path: '/clips/{clipId}/export/retry',
    tag: 'Exports',
    scope: 'export',
    summary: 'Export an approved clip again whose export failed',
    params,
    answer: ClipSchema,
    status: 202,
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { clipId } }) => {
      if ((await clipView(sql, clipId)) === null) return problem('not-found', 'There is no such clip.');
      const outcome = await retryExport(sql, actor, clipId);
      if (outcome.kind === 'refused') return problem('refused', outcome.message);
      const clip = await clipView(sql, clipId);
      return clip === null ? NOT_EXPORTED : { kind: 'ok', body: clip };
    },
  }),
  operation({
    id: 'getExportFile',
    method: 'GET',
    path: '/clips/{clipId}/export/file',
    tag: 'Exports',
    scope: 'read',
    summary: 'An exported clip’s file',
    description: 'Takes ranges. May answer with a redirect to the CDN: follow it without the token.',
    params,
    answer: ['video/mp4'],
    problems: ['not-found'],
    run: async ({ sql, params: { clipId }, request }) => {
      const [file] = await exportedFiles(sql, [clipId]);
      return file === undefined ? NOT_EXPORTED : sendFile(request, { key: file.key, downloadName: file.name });
    },
  }),
  operation({
    id: 'getExportSidecar',
    method: 'GET',
    path: '/clips/{clipId}/export/sidecar',
    tag: 'Exports',
    scope: 'read',
    summary: 'What is told of an exported clip beside its file',
    params,
    answer: ['application/json'],
    problems: ['not-found'],
    run: async ({ sql, params: { clipId } }) => {
      const [file] = await exportedFiles(sql, [clipId]);
      if (file === undefined) return NOT_EXPORTED;
      return { kind: 'file', response: new Response(file.sidecar, { headers: { 'content-type': 'application/json' } }) };
    },
  }),
  operation({
    id: 'getExportsZip',
    method: 'GET',
    path: '/exports/zip',
    tag: 'Exports',
    scope: 'read',
    summary: 'Exported clips as one zip',
    query: { clips: v.pipe(clipIds, v.description('Ids, by commas.')), sidecars: v.optional(v.boolean(), false) },
    answer: ['application/zip'],
    problems: ['not-found'],
    run: async ({ sql, query: { clips, sidecars } }) => {
      const files = await exportedFiles(sql, clips);
      if (files.length === 0) return problem('not-found', 'None of these clips is exported (yet).');
      return { kind: 'file', response: zipResponse(files, sidecars) };
    },
  }),
  operation({
    id: 'getExportSettings',
    method: 'GET',
    path: '/exports/settings',
    tag: 'Exports',
    scope: 'read',
    summary: 'What clips are exported from, and what their files are called',
    answer: ExportSettingsSchema,
    run: async ({ sql }) => ({ kind: 'ok', body: await currentExportSettings(sql) }),
  }),
  operation({
    id: 'setExportSettings',
    method: 'PUT',
    path: '/exports/settings',
    tag: 'Exports',
    scope: 'export',
    summary: 'Change these settings for what is exported and downloaded from now on',
    body: ExportSettingsSchema,
    answer: ExportSettingsSchema,
    problems: ['refused'],
    run: async ({ sql, actor, body }) => {
      const outcome = await changeExportSettings(sql, actor, body);
      if (outcome.kind === 'refused') return problem('refused', outcome.message);
      return { kind: 'ok', body: await currentExportSettings(sql) };
    },
  }),
];
