import type { PlaybackReply, PlaybackRequest } from '#lib/live/commands.ts';
import { isSameSpan, type FrameSpan } from '#lib/core/cuts.ts';
import { config } from '#lib/server/config.ts';
import type { Database, Sql } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { publishClipFile, publishClipFromParts, type ProxyParts } from '#lib/server/media/clips.ts';
import { parseTempClipKey, tempClipKey } from '#lib/server/storage/keys.ts';
import { playbackCache } from '#lib/server/storage/playback-cache.ts';
import { signPlaybackUrl } from '#lib/server/storage/sign-url.ts';
import { clipsById } from '#lib/server/stores/clips.ts';
import { findPlan } from '#lib/server/stores/encode-parts.ts';
import { notePlaybackFile, playbackFilesElsewhere } from '#lib/server/stores/playback-files.ts';
import { findVideo } from '#lib/server/stores/videos.ts';

/** Pages ask again before their URLs lapse, which also keeps what is on a screen from being swept. */
const URL_LIFETIME_MS = 8 * 60_000;

/**
 * Gives a signed URL for each clip whose playback file is there, and orders the missing ones, the
 * first named first. Nothing is cut here: a `clip-ready` signal follows when a file is there.
 */
export async function preparePlayback(sql: Database, request: PlaybackRequest): Promise<PlaybackReply> {
  const clips = await clipsById(sql, request.clipIds);
  const ordered = request.clipIds.flatMap((id) => clips.find((clip) => clip.id === id) ?? []);
  const isHere = await Promise.all(ordered.map((clip) => playbackCache().use(tempClipKey(clip))));
  const absent = ordered.filter((_, index) => !isHere[index]);
  const elsewhere =
    absent.length === 0
      ? []
      : await playbackFilesElsewhere(
          sql,
          playbackCache().id,
          absent.map((clip) => clip.id),
        );
  const answers = ordered.map((clip, index) => {
    const { id: clipId, startFrame, endFrame } = clip;
    const other = elsewhere.find((file) => file.clipId === clipId && isSameSpan(file, clip));
    const isThere = isHere[index] || other !== undefined;
    // Only Fly.io can lead a request to another machine. Elsewhere this one makes the file too when it is asked for.
    const cacheId = isHere[index] || other === undefined || config().machineId === null ? playbackCache().id : other.cacheId;
    const signed = isThere ? signPlaybackUrl(cacheId, tempClipKey(clip), { ttlMs: URL_LIFETIME_MS }) : null;
    return { clip, answer: { clipId, startFrame, endFrame, url: signed?.url ?? null, validMs: signed?.validMs ?? 0 } };
  });
  const missing = answers.flatMap(({ clip, answer }, index) => (answer.url === null ? [{ clip, priority: 100 - index }] : []));
  if (missing.length > 0) {
    // In the order of ids: two pages that want the same clips must not wait for each other's.
    missing.sort((one, other) => one.clip.id - other.clip.id);
    await sql.begin(async (tx) => {
      for (const { clip, priority } of missing) {
        const revision = `${clip.startFrame}-${clip.endFrame}`;
        await enqueueStage(tx, 'temp-clip', { itemId: clip.id, videoId: clip.videoId }, { priority, revision });
      }
    });
  }
  return { kind: 'ok', clips: answers.map(({ answer }) => answer) };
}

/** Makes a clip's playback file on this machine, unless it is there. False where the clip or its proxy is gone. */
export async function makePlaybackFile(
  sql: Sql,
  clip: FrameSpan & { readonly id: number; readonly videoId: number },
  signal: AbortSignal,
): Promise<boolean> {
  const cache = playbackCache();
  const key = tempClipKey(clip);
  if (await cache.use(key)) return true;
  const video = await findVideo(sql, clip.videoId);
  if (!video?.frameRateNum || !video.frameRateDen) return false;
  const file = { frameRate: { num: video.frameRateNum, den: video.frameRateDen }, span: clip, signal, key, store: cache };
  let sizeBytes: number;
  if (video.proxyKey !== null) {
    sizeBytes = await publishClipFile({ ...file, proxyKey: video.proxyKey });
  } else {
    const proxy = await proxyParts(sql, clip.videoId);
    if (proxy === null) return false;
    sizeBytes = await publishClipFromParts({ ...file, proxy });
  }
  await notePlaybackFile(sql, cache.id, { clipId: clip.id, startFrame: clip.startFrame, endFrame: clip.endFrame, sizeBytes });
  return true;
}

/** The parts of a video that is still being encoded; null when there are none. */
async function proxyParts(sql: Sql, videoId: number): Promise<ProxyParts | null> {
  const found = await findPlan(sql, videoId);
  if (found === null) return null;
  const parts = found.parts.flatMap(({ startFrame, result }) =>
    result === null ? [] : [{ key: result.proxyKey, startFrame, endFrame: result.endFrame }],
  );
  return { parts, soundKey: found.plan.proxySoundKey };
}

const MAKE_WITHIN_MS = 30_000;
const beingMade = new Map<string, Promise<boolean>>();

/**
 * Makes sure that this machine has the playback file that a URL names, for requests that land here
 * though another machine has it. However many ask, it is made once. False when it can't be made.
 */
export async function havePlaybackFile(sql: Sql, key: string): Promise<boolean> {
  if (await playbackCache().use(key)) return true;
  const name = parseTempClipKey(key);
  if (name === null) return false;
  const underWay = beingMade.get(key);
  if (underWay !== undefined) return underWay;
  const making = (async () => {
    const [clip] = await clipsById(sql, [name.clipId]);
    if (clip === undefined || tempClipKey(clip) !== key) return false;
    return makePlaybackFile(sql, clip, AbortSignal.timeout(MAKE_WITHIN_MS));
  })().finally(() => beingMade.delete(key));
  beingMade.set(key, making);
  return making;
}
