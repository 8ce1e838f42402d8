/**
 * Wall time of the encode stage (probing, detection, checks and all) beside the bare ffmpeg command
 * that makes the same outputs, and of the whole way: `npm run bench -- pipeline [--video FILE] [--repeats 3]`.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { framesToDurationMs } from '#lib/core/frame-rate.ts';
import { spansBetweenCuts } from '#lib/core/cuts.ts';
import { makeSampleVideo } from '#lib/server/media/sample-video.ts';
import { percentile } from './support.ts';

const run_ = promisify(execFile);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await work();
  return performance.now() - startedAtMs;
}

/** Runs the bench; `args` are what follows its name on the command line. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { video: { type: 'string' }, repeats: { type: 'string', default: '3' } } });
  const folder = await mkdtemp(path.join(os.tmpdir(), 'heaters-bench-'));
  process.env.DATA_DIR = folder;
  process.env.HEATERS_ROLE = 'call';
  const { probeSource } = await import('#lib/server/media/probe.ts');
  const { encodeFilters, masterOptions, proxyOptions } = await import('#lib/server/media/recipes.ts');
  const { encodeVideo } = await import('#lib/server/pool/tasks/encode-video.ts');
  const { publishClipFile } = await import('#lib/server/media/clips.ts');
  const { objectStore } = await import('#lib/server/storage/object-store.ts');
  try {
    const source = path.join(folder, 'source.mp4');
    if (values.video === undefined) await makeSampleVideo(source);
    else await copyFile(values.video, source);
    const probe = await probeSource(source);
    if (probe.kind === 'refused') throw new Error(probe.reason);
    const { facts } = probe;
    const { frameRate } = facts;
    // The same graph with the branch of the detector left out.
    const filters = encodeFilters(facts)
      .slice(0, 2)
      .map((filter) => filter.replace('split=3[master][scaled][small]', 'split=2[master][scaled]'));
    const bare = () =>
      run_(process.env.FFMPEG_PATH ?? 'ffmpeg', [
        ...['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', '-i', source, '-filter_complex', filters.join(';')],
        ...[...proxyOptions(facts), path.join(folder, 'bare-proxy.mp4')],
        ...[...masterOptions(facts), path.join(folder, 'bare-master.mp4')],
      ]);
    const decode = () =>
      run_(process.env.FFMPEG_PATH ?? 'ffmpeg', ['-loglevel', 'error', '-nostdin', '-i', source, '-map', '0:v:0', '-f', 'null', '-']);

    const rows: { bareMs: number; stageMs: number; firstClipMs: number }[] = [];
    const decodeMs = await timed(decode);
    let frameCount = 0;
    for (let round = 0; round < Number(values.repeats); round += 1) {
      const bareMs = await timed(bare);
      const copy = path.join(folder, `upload-${round}.mp4`);
      await copyFile(source, copy);
      const sourceKey = `originals/${round + 1}/source.mp4`;
      await objectStore().publish(sourceKey, copy);
      const signal = new AbortController().signal;
      const startedAtMs = performance.now();
      const encoded = await encodeVideo.run({ videoId: round + 1, sourceKey }, { signal, attemptId: '1-1', report: () => undefined });
      const stageMs = performance.now() - startedAtMs;
      frameCount = encoded.frameCount;
      const [span] = spansBetweenCuts(
        encoded.scenes.cuts.map((cut) => cut.frame),
        frameCount,
      );
      await publishClipFile({ proxyKey: encoded.proxyKey, frameRate, span: span!, key: `temp/${round}.mp4`, signal });
      rows.push({ bareMs, stageMs, firstClipMs: performance.now() - startedAtMs });
    }
    console.log(`${frameCount} frames, ${framesToDurationMs(frameCount, frameRate)} ms of film; decoding alone ${Math.round(decodeMs)} ms`);
    console.table(rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, ms]) => [name, Math.round(ms)]))));
    const ratio = percentile(
      rows.map(({ stageMs, bareMs }) => stageMs / bareMs),
      0.5,
    );
    const firstClipMs = Math.round(
      percentile(
        rows.map((row) => row.firstClipMs),
        0.5,
      ),
    );
    console.log(
      JSON.stringify({
        encodeRatio: ratio,
        detectAddedRatio: Math.round((ratio - 1) * 100) / 100,
        timeToFirstClipMs: firstClipMs,
        totalMs: firstClipMs,
      }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
