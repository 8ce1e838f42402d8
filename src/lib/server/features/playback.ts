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
    ordered.map(async (clip) => {
      const key = tempClipKey(clip);
      const { id: clipId, startFrame, endFrame } = clip;
      const isThere = (await objectStore().stat(key)) !== null;
      return { clip, answer: { clipId, startFrame, endFrame, url: isThere ? signMediaUrl(key, { ttlMs: URL_LIFETIME_MS }) : null } };
    }),
  );
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
