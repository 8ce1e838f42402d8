import type { Database, Sql } from '#lib/server/db.ts';
import { inWorkFolder } from '#lib/server/media/clips.ts';
import { embedder, installedModel, modelInstalledAt } from '#lib/server/media/embedder.ts';
import { fetchStills } from '#lib/server/media/stills.ts';
import { touchClips } from '#lib/server/stores/clips.ts';
import { clipsToEmbed, ensureIndex, registerModel, saveEmbeddings, videosLackingVectors } from '#lib/server/stores/embeddings.ts';

/** Clips of one request to the model: enough to keep it busy, few enough to lose when it is stopped. */
const CLIPS_AT_ONCE = 16;

/** Videos with clips that the model has not seen yet; none where there is no model. */
export async function videosToEmbed(sql: Sql): Promise<number[]> {
  const model = await installedModel();
  return model === null ? [] : videosLackingVectors(sql, (await registerModel(sql, model)).id, await modelInstalledAt());
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
      const files = await fetchStills(workDir, clips, 'large', signal);
      const vectors = await embedder().embedClips(files);
      await sql.begin(async (tx) => {
        await saveEmbeddings(
          tx,
          stored.id,
          clips.map((clip, index) => ({ clip, vector: vectors[index]! })),
        );
        await touchClips(
          tx,
          clips.map((clip) => clip.id),
        );
      });
    });
    made += clips.length;
    onProgress((100 * made) / (made + total - clips.length));
  }
}
