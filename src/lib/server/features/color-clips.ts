import type { Database } from '#lib/server/db.ts';
import { inWorkFolder } from '#lib/server/media/clips.ts';
import { findPalettes } from '#lib/server/media/python.ts';
import { fetchStills } from '#lib/server/media/stills.ts';
import { touchClips } from '#lib/server/stores/clips.ts';
import { clipsToColor, saveColors } from '#lib/server/stores/clip-colors.ts';

/** Clips of one process: enough to be worth its start, few enough to lose when it is stopped. */
const CLIPS_AT_ONCE = 200;

/** Finds the colours that a video's clips lack. What is found stays when it is stopped. */
export async function colorClips(
  sql: Database,
  videoId: number,
  signal: AbortSignal,
  onProgress: (percent: number) => void,
): Promise<void> {
  let made = 0;
  // Again as long as there are some: a cut may be moved meanwhile.
  for (;;) {
    signal.throwIfAborted();
    const { clips, total } = await clipsToColor(sql, videoId, CLIPS_AT_ONCE);
    if (clips.length === 0) return;
    await inWorkFolder(async (workDir) => {
      const palettes = await findPalettes(await fetchStills(workDir, clips, 'small', signal), signal);
      await sql.begin(async (tx) => {
        await saveColors(
          tx,
          clips.map((clip, index) => ({ clip, palette: palettes[index]! })),
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
