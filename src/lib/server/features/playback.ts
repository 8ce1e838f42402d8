import type { PlaybackReply, PlaybackRequest } from '#lib/live/commands.ts';
import type { Database } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { tempClipKey } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { signMediaUrl } from '#lib/server/storage/sign-url.ts';
import { clipsById } from '#lib/server/stores/clips.ts';

const URL_LIFETIME_MS = 60 * 60_000;

/**
 * Gives a signed URL for each clip whose playback file is there, and orders the missing ones, the
 * first named first. Nothing is cut here: a `clip-ready` signal follows when a file is there.
 */
export async function preparePlayback(sql: Database, request: PlaybackRequest): Promise<PlaybackReply> {
  const clips = await clipsById(sql, request.clipIds);
  const ordered = request.clipIds.flatMap((id) => clips.find((clip) => clip.id === id) ?? []);
  const answers = await Promise.all(
    ordered.map(async (clip, index) => {
      const key = tempClipKey(clip);
      const { id: clipId, videoId, startFrame, endFrame } = clip;
      if ((await objectStore().stat(key)) !== null) {
        return { clipId, startFrame, endFrame, url: signMediaUrl(key, { ttlMs: URL_LIFETIME_MS }) };
      }
      await sql.begin((tx) =>
        enqueueStage(tx, 'temp-clip', { itemId: clipId, videoId }, { priority: 100 - index, revision: `${startFrame}-${endFrame}` }),
      );
      return { clipId, startFrame, endFrame, url: null };
    }),
  );
  return { kind: 'ok', clips: answers };
}
