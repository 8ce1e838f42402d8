import { requireUser } from '#lib/server/auth/guards.ts';
import { config } from '#lib/server/config.ts';
import { db } from '#lib/server/db.ts';
import { havePlaybackFile } from '#lib/server/features/playback.ts';
import { playbackCache } from '#lib/server/storage/playback-cache.ts';
import { fileResponse, refusedUrl } from '#lib/server/storage/serve-media.ts';
import { verifyMediaUrl } from '#lib/server/storage/sign-url.ts';
import type { RequestHandler } from './$types';

/**
 * A playback file, for signed URLs of people who are logged in. On Fly.io a request for another
 * machine's file is replayed there; where that fails, or can't be, the file is made here.
 * Source: Fly.io documentation, “Dynamic request routing with fly-replay”.
 */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const verified = verifyMediaUrl(event.url);
  if (verified.kind !== 'ok') return refusedUrl(verified);
  const { cacheId, key } = event.params;
  const { headers } = event.request;
  const isReplayed = headers.has('fly-replay-src') || headers.has('fly-replay-failed');
  if (cacheId !== playbackCache().id && config().machineId !== null && !isReplayed) {
    return new Response(null, { status: 307, headers: { 'fly-replay': `instance=${cacheId};timeout=2s;fallback=prefer_self` } });
  }
  await havePlaybackFile(db(), key);
  return fileResponse(event.request, playbackCache(), { key, downloadName: null });
};
export const HEAD = GET;
