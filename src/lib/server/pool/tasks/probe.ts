import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import * as v from 'valibot';
import { config } from '#lib/server/config.ts';
import { runFfmpeg } from '#lib/server/media/ffmpeg.ts';
import { defineTask } from '#lib/server/pool/define-task.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';

/**
 * What `npm run doctor -- --spawn` asks of a runner: an encode of a second, and whether store and CDN can be reached from there.
 * Changes nothing, and leaves nothing.
 */
export const probe = defineTask({
  name: 'probe',
  version: 1,
  /** A signed URL of the CDN, or null where there is none. */
  input: v.object({ cdnUrl: v.nullable(v.string()) }),
  output: v.object({
    region: v.nullable(v.string()),
    encodeMs: v.number(),
    /** What the store said, or null when all went well. */
    storeError: v.nullable(v.string()),
    cdnStatus: v.nullable(v.number()),
  }),
  run: async ({ cdnUrl }, { signal }) => {
    const work = path.join(config().dataDir, 'work');
    await mkdir(work, { recursive: true });
    const folder = await mkdtemp(path.join(work, 'probe-'));
    const key = `doctor/${randomUUID()}.mp4`;
    try {
      const file = path.join(folder, 'probe.mp4');
      const startedAtMs = performance.now();
      await runFfmpeg({
        inputs: [{ path: 'testsrc2=s=320x180:r=25:d=1', options: ['-f', 'lavfi'] }],
        outputs: [{ path: file, options: ['-c:v', 'libx264', '-pix_fmt', 'yuv420p'] }],
        signal,
      });
      const encodeMs = Math.round(performance.now() - startedAtMs);
      const storeError = await throughStore(key, file).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
      const cdnStatus =
        cdnUrl === null
          ? null
          : await fetch(cdnUrl, { signal: AbortSignal.timeout(10_000) }).then(
              (answer) => answer.status,
              () => 0,
            );
      return { region: process.env.FLY_REGION ?? null, encodeMs, storeError, cdnStatus };
    } finally {
      await rm(folder, { recursive: true, force: true });
      await objectStore()
        .remove(key)
        .catch(() => undefined);
    }
  },
});

async function throughStore(key: string, file: string): Promise<string | null> {
  await objectStore().publish(key, file);
  const { length } = await buffer(await objectStore().openRead(key));
  return length > 1_000 ? null : 'what was written can’t be read back';
}
