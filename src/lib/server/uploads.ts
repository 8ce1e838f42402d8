import type { IncomingMessage, ServerResponse } from 'node:http';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { readdir, rm } from 'node:fs/promises';
import { FileStore } from '@tus/file-store';
import { Server, type Upload } from '@tus/server';
import { config } from '#lib/server/config.ts';
import { db } from '#lib/server/db.ts';
import { importFile, type ImportOutcome } from '#lib/server/features/import-video.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { log } from '#lib/server/log.ts';
import { findUser } from '#lib/server/stores/users.ts';
import { isPartUploadRequest, servePartUploads } from '#lib/server/serve-part-uploads.ts';
import { uploadActor } from '#lib/server/upload-actor.ts';

/** The ids that the tus server gives; one from outside becomes part of a path. */
const UPLOAD_ID = /^[0-9a-f]{32}$/;
const UNFINISHED_LIFETIME_MS = 7 * 24 * 3_600_000;

/** An answer that ends an upload; tus clients do not repeat a 4xx. */
function answer(statusCode: number, body: string) {
  return { status_code: statusCode, body };
}

/**
 * The upload endpoints. Where the object store is a bucket, browsers send parts straight to it and only ask here for
 * leave (`serve-part-uploads.ts`). Otherwise: resumable uploads by the tus protocol (https://tus.io), for reviewers and
 * admins. An upload belongs to the person who began it. Finished ones go into the library; the
 * answer names the new video, or the one with the same content.
 */
export function createUploadHandler(): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { dataDir, maxUploadBytes } = config();
  const directory = path.join(dataDir, 'uploads');
  mkdirSync(directory, { recursive: true });
  const datastore = new FileStore({ directory, expirationPeriodInMilliseconds: UNFINISHED_LIFETIME_MS });
  const server = new Server({
    path: '/uploads',
    datastore,
    maxSize: maxUploadBytes,
    relativeLocation: true,
    // The owner is the server's word: what the client says of it is overwritten.
    async onUploadCreate(request, upload) {
      const actor = await authorise(request.headers);
      return { metadata: { ...upload.metadata, ownerId: String(actor.userId) } };
    },
    async onIncomingRequest(request, uploadId) {
      const actor = await authorise(request.headers);
      if (request.method === 'POST' || !uploadId) return;
      const upload = UPLOAD_ID.test(uploadId) ? await datastore.getUpload(uploadId).catch(() => null) : null;
      if (upload?.metadata?.ownerId !== String(actor.userId)) throw answer(404, 'There is no such upload.');
    },
    async onUploadFinish(request, upload) {
      const actor = await authorise(request.headers);
      const outcome = await takeIn(directory, upload, actor);
      if (outcome.kind === 'refused') throw answer(422, outcome.message);
      const header = outcome.kind === 'ok' ? 'Heaters-Video-Id' : 'Heaters-Duplicate-Of';
      return { headers: { [header]: String(outcome.videoId) } };
    },
    onResponseError(_request, error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') {
        return answer(507, 'The disk of the server is full: free some space, then resume the upload.');
      }
      if (error instanceof Error) log.error({ err: error }, 'an upload failed');
      return undefined;
    },
  });
  takeInFinished(directory, datastore).catch((error: unknown) => log.error({ err: error }, 'finished uploads were not taken in'));
  const sweeper = setInterval(() => {
    server.cleanUpExpiredUploads().catch((error: unknown) => log.warn({ err: error }, 'expired uploads were not removed'));
  }, 3_600_000);
  sweeper.unref();
  return (request, response) => (isPartUploadRequest(request) ? servePartUploads(request, response) : server.handle(request, response));
}

/** Hands a finished upload to the library and removes what is left of it. */
async function takeIn(directory: string, upload: Pick<Upload, 'id' | 'metadata'>, actor: Actor): Promise<ImportOutcome> {
  const file = path.join(directory, upload.id);
  const outcome = await importFile(db(), actor, { path: file, fileName: upload.metadata?.filename ?? 'Untitled', sourceUrl: null });
  await Promise.all([rm(file, { force: true }), rm(`${file}.json`, { force: true })]);
  return outcome;
}

/** Takes in what was uploaded whole, but not handed on before this process ended. */
async function takeInFinished(directory: string, datastore: FileStore): Promise<void> {
  for (const { name } of await readdir(directory, { withFileTypes: true })) {
    if (!name.endsWith('.json')) continue;
    const upload = await datastore.getUpload(name.slice(0, -'.json'.length)).catch(() => null);
    if (upload === null || upload.offset !== upload.size) continue;
    const owner = await findUser(db(), Number(upload.metadata?.ownerId));
    if (owner === null) continue;
    const outcome = await takeIn(directory, upload, { userId: owner.id, name: owner.name, role: owner.role });
    log.info({ uploadId: upload.id, outcome: outcome.kind }, 'an upload of an earlier process was taken in');
  }
}

async function authorise(headers: Headers): Promise<Actor> {
  const [cookie, origin, authorization] = [headers.get('cookie'), headers.get('origin'), headers.get('authorization')];
  const allowed = await uploadActor({ cookie, origin, authorization });
  if (allowed.kind === 'refused') throw answer(allowed.status, allowed.message);
  return allowed.actor;
}
