import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Database, Sql } from '#lib/server/db.ts';
import { inWorkFolder } from '#lib/server/media/clips.ts';
import { embedder, installedModel } from '#lib/server/media/embedder.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { stillKey } from '#lib/server/storage/keys.ts';
import { clipsToEmbed, ensureIndex, registerModel, saveEmbeddings, videosLackingVectors } from '#lib/server/stores/embeddings.ts';

/** Clips of one request to the model: enough to keep it busy, few enough to lose when it is stopped. */
const CLIPS_AT_ONCE = 16;

/** Videos with clips that the model has not seen yet; none where there is no model. */
export async function videosToEmbed(sql: Sql): Promise<number[]> {
  const model = await installedModel();
  return model === null ? [] : videosLackingVectors(sql, (await registerModel(sql, model)).id);
}

/** Makes the vectors that a video's clips lack. What is made stays when it is stopped. */
export async function embedClips(
  sql: Database,
  videoId: number,
  signal: AbortSignal,
  onProgress: (percent: number) => void,
): Promise<void> {
  const model = await installedModel();
  if (model === null) return;
  const stored = await registerModel(sql, model);
  await ensureIndex(sql, stored);
  let made = 0;
  // Again as long as there are some: a cut may be moved meanwhile.
  for (;;) {
    signal.throwIfAborted();
    const { clips, total } = await clipsToEmbed(sql, videoId, stored.id, CLIPS_AT_ONCE);
    if (clips.length === 0) return;
    await inWorkFolder(async (workDir) => {
      const files = await Promise.all(
        clips.map((clip) =>
          Promise.all(
            Array.from({ length: clip.stillCount }, async (_, index) => {
              const file = path.join(workDir, `${clip.id}-${index}.webp`);
              await pipeline(await objectStore().openRead(stillKey(clip, `${index}.webp`)), createWriteStream(file), { signal });
              return file;
            }),
          ),
        ),
      );
      const vectors = await embedder().embedClips(files);
      await sql.begin((tx) =>
        saveEmbeddings(
          tx,
          stored.id,
          clips.map((clip, index) => ({ clip, vector: vectors[index]! })),
        ),
      );
    });
    made += clips.length;
    onProgress((100 * made) / (made + total - clips.length));
  }
}
