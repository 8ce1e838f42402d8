import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { config } from '#lib/server/config.ts';
import type { Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { TEMP_CLIP_PREFIX } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';

const TEMP_CLIP_LIFETIME_MS = 15 * 60_000;
const WORK_LIFETIME_MS = 24 * 3_600_000;

/** Removes playback files that nobody has asked for lately and work folders that a crash left behind. */
export async function sweep(_sql: Database): Promise<void> {
  const store = objectStore();
  let removedCount = 0;
  for (const { key, usedAtMs } of await store.list(TEMP_CLIP_PREFIX)) {
    if (Date.now() - usedAtMs < TEMP_CLIP_LIFETIME_MS) continue;
    await store.remove(key);
    removedCount += 1;
  }
  const workDir = path.join(config().dataDir, 'work');
  for (const name of await readdir(workDir).catch(() => [])) {
    const folder = path.join(workDir, name);
    if (Date.now() - (await stat(folder)).mtimeMs > WORK_LIFETIME_MS) {
      await rm(folder, { recursive: true, force: true });
      removedCount += 1;
    }
  }
  log.info({ removedCount }, 'swept');
}
