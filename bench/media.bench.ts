/**
 * What the media side costs beside the bare tools: encode and export against ffmpeg alone, from the wish for a
 * clip to its playback file, a long source in parts on 1 to 5 machines, and the object store against the SDK
 * alone: `npm run bench -- media [--seconds 60]`.
 */
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { planParts } from '#lib/core/encode-parts.ts';
import { openEnvironment } from '../tests/support/environment.ts';
import { startS3Server } from '../tests/support/s3-server.ts';
import { startWorker, stopWorker } from '../tests/support/worker.ts';
import { percentile } from './support.ts';

const run_ = promisify(execFile);
const ffmpeg = (...args: string[]) =>
  run_(process.env.FFMPEG_PATH ?? 'ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...args]);
const signal = new AbortController().signal;
const MACHINES = [1, 2, 3, 4, 5];
const CLIPS = 30;
const UPLOAD_BYTES = 96 * 2 ** 20;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await work();
  return performance.now() - startedAtMs;
}
const round = (value: number) => Math.round(value * 100) / 100;
const median = (figures: readonly number[]) => percentile(figures, 0.5);

/** Runs the bench; `args` are what follows its name on the command line. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { seconds: { type: 'string', default: '60' } } });
  const env = await openEnvironment();
  try {
    const source = path.join(env.dataDir, 'source.mp4');
    const film = `testsrc2=s=1280x720:r=25:d=${values.seconds},noise=alls=12:allf=t`;
    await ffmpeg(
      '-f',
      'lavfi',
      '-i',
      film,
      '-f',
      'lavfi',
      '-i',
      'anoisesrc=a=0.2',
      '-shortest',
      '-preset',
      'ultrafast',
      '-pix_fmt',
      'yuv420p',
      source,
    );
    const { encodeRatio, encodeFps, speedups } = await measureEncode(source, env.dataDir);
    const exportRatio = await measureExport(env.dataDir);
    const clips = await measureTempClips(env);
    const store = await measureStore(env.dataDir);
    console.table([{ encodeRatio, encodeFps, exportRatio, tempClipP50Ms: clips.p50Ms, tempClipP95Ms: clips.p95Ms, ...store }]);
    console.table(speedups.map((speedup, index) => ({ machines: MACHINES[index], speedup })));
    console.log(
      JSON.stringify({
        ...{ encodeRatio, encodeFps, exportRatio, tempClipP50Ms: clips.p50Ms, tempClipP95Ms: clips.p95Ms },
        ...{ chunkSpeedups: speedups, chunkSpeedup5: speedups.at(-1), ...store },
      }),
    );
  } finally {
    await env.close();
  }
}

/**
 * The encode at once beside the bare command for the same outputs; and, each part measured by itself, when a
 * number of machines like this one would be through: they take parts in order, and the join waits for all.
 */
async function measureEncode(source: string, dataDir: string) {
  const { encodeSource } = await import('#lib/server/media/encode.ts');
  const { encodePart, encodeSound, joinParts } = await import('#lib/server/media/encode-parts.ts');
  const { probeSource } = await import('#lib/server/media/probe.ts');
  const { encodeFilters, masterOptions, proxyOptions } = await import('#lib/server/media/recipes.ts');
  const probe = await probeSource(source);
  if (probe.kind === 'refused') throw new Error(probe.reason);
  const { facts } = probe;
  const folder = async (name: string) => {
    await mkdir(path.join(dataDir, name), { recursive: true });
    return path.join(dataDir, name);
  };
  const filters = encodeFilters(facts)
    .slice(0, 2)
    .map((filter) => filter.replace('split=3[master][scaled][small]', 'split=2[master][scaled]'));
  const bareFolder = await folder('bare');
  const bareMs = await timed(() =>
    ffmpeg(
      ...['-i', source, '-filter_complex', filters.join(';')],
      ...[...proxyOptions(facts), path.join(bareFolder, 'proxy.mp4'), ...masterOptions(facts), path.join(bareFolder, 'master.mp4')],
    ),
  );
  const whole = await folder('whole');
  let frameCount = 0;
  const wholeMs = await timed(async () => {
    const encoded = await encodeSource(source, whole, { signal });
    frameCount = encoded.frameCount;
    await copyFile(encoded.proxyPath, path.join(dataDir, 'proxy.mp4'));
  });
  // Ten parts, as a long source has on five machines twice over.
  const partFrames = Math.ceil(frameCount / 10);
  const partsMs: number[] = [];
  const pictures: { path: string; frameCount: number }[] = [];
  for (const plan of planParts(frameCount, partFrames)) {
    const workDir = await folder(`part-${plan.startFrame}`);
    partsMs.push(
      await timed(async () => {
        const part = await encodePart(source, workDir, facts, { ...plan, expectedFrames: partFrames }, { signal });
        pictures.push({ path: part.proxyPath, frameCount: part.frameCount });
      }),
    );
  }
  const soundFolder = await folder('sound');
  let soundPath = '';
  const soundMs = await timed(async () => (soundPath = (await encodeSound(source, soundFolder, facts, { signal })).proxyPath));
  const joinMs = await timed(() => joinParts(pictures, soundPath, path.join(dataDir, 'joined.mp4'), facts.frameRate, { signal }));
  const through = (machines: number) => {
    const freeAtMs = Array.from({ length: machines }, () => 0);
    for (const workMs of [soundMs, ...partsMs]) {
      const next = freeAtMs.indexOf(Math.min(...freeAtMs));
      freeAtMs[next] = freeAtMs[next]! + workMs;
    }
    return Math.max(...freeAtMs) + joinMs;
  };
  return {
    encodeRatio: round(wholeMs / bareMs),
    encodeFps: Math.round(frameCount / (wholeMs / 1000)),
    speedups: MACHINES.map((machines) => round(wholeMs / through(machines))),
  };
}

/** An export by stream copy, counted and published, beside the bare command. */
async function measureExport(dataDir: string): Promise<number> {
  const { publishClipFile } = await import('#lib/server/media/clips.ts');
  const { clipInputOptions, clipOutputOptions } = await import('#lib/server/media/recipes.ts');
  const { objectStore } = await import('#lib/server/storage/object-store.ts');
  const proxyKey = 'proxies/1/1-1/proxy.mp4';
  await objectStore().publish(proxyKey, path.join(dataDir, 'proxy.mp4'));
  const proxy = await objectStore().inputFor(proxyKey);
  const frameRate = { num: 25, den: 1 };
  const ratios: number[] = [];
  for (let index = 0; index < 15; index += 1) {
    const span = { startFrame: index * 40, endFrame: index * 40 + 120 };
    const bareMs = await timed(() =>
      ffmpeg(...clipInputOptions(span, frameRate), '-i', proxy, ...clipOutputOptions(span, frameRate), path.join(dataDir, 'bare-clip.mp4')),
    );
    const ourMs = await timed(() => publishClipFile({ proxyKey, frameRate, span, signal, key: `clips/1/${index}.mp4` }));
    ratios.push(ourMs / bareMs);
  }
  return median(ratios);
}

/** From the wish for a clip, through the queue of a worker, to the file that plays. */
async function measureTempClips(env: Awaited<ReturnType<typeof openEnvironment>>): Promise<{ p50Ms: number; p95Ms: number }> {
  const { preparePlayback } = await import('#lib/server/features/playback.ts');
  const { clipsOfVideo } = await import('#lib/server/stores/clips.ts');
  const ann = await env.addPerson('Ann', 'reviewer');
  const cuts = Array.from({ length: CLIPS }, (_, index) => (index + 1) * 40);
  const videoId = await env.addVideo(ann, (CLIPS + 1) * 40, cuts);
  await env.sql`update videos set proxy_key = 'proxies/1/1-1/proxy.mp4' where id = ${videoId}`;
  const worker = startWorker();
  try {
    const delaysMs: number[] = [];
    for (const clip of await clipsOfVideo(env.sql, videoId)) {
      const startedAtMs = performance.now();
      for (;;) {
        const reply = await preparePlayback(env.sql, { clipIds: [clip.id] });
        if (reply.kind === 'ok' && reply.clips[0]?.url != null) break;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      delaysMs.push(performance.now() - startedAtMs);
    }
    // The first one waits for the worker to start.
    return { p50Ms: percentile(delaysMs.slice(2), 0.5), p95Ms: percentile(delaysMs.slice(2), 0.95) };
  } finally {
    await stopWorker(worker);
  }
}

/** Uploads and downloads of our store, which compares what has arrived, beside the SDK alone. */
async function measureStore(dataDir: string): Promise<{ uploadRatio: number; downloadRatio: number }> {
  const { S3Store } = await import('#lib/server/storage/s3-store.ts');
  const server = await startS3Server();
  try {
    const { settings } = server;
    const store = new S3Store(settings);
    const { endpoint, region, accessKeyId, secretAccessKey, bucket: Bucket } = settings;
    const bare = new S3Client({ endpoint: endpoint!, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true });
    const file = path.join(dataDir, 'upload.bin');
    const bytes = Buffer.alloc(UPLOAD_BYTES, 'heaters ');
    const drain = async (body: AsyncIterable<Uint8Array>) => {
      let sizeBytes = 0;
      for await (const chunk of body) sizeBytes += chunk.length;
      if (sizeBytes !== UPLOAD_BYTES) throw new Error(`${sizeBytes} bytes came back.`);
    };
    const [uploads, downloads]: [number[], number[]] = [[], []];
    for (let index = 0; index < 3; index += 1) {
      await writeFile(file, bytes);
      const params = { Bucket, Key: `bare-${index}`, Body: createReadStream(file) };
      const bareUpMs = await timed(() => new Upload({ client: bare, params, partSize: 8 * 2 ** 20, queueSize: 4 }).done());
      const ourUpMs = await timed(() => store.publish(`ours-${index}`, file));
      uploads.push(ourUpMs / bareUpMs);
      const bareDownMs = await timed(async () => {
        const { Body } = await bare.send(new GetObjectCommand({ Bucket, Key: `bare-${index}` }));
        await drain(Body as unknown as AsyncIterable<Uint8Array>);
      });
      downloads.push((await timed(async () => drain(await store.openRead(`ours-${index}`)))) / bareDownMs);
    }
    return { uploadRatio: median(uploads), downloadRatio: median(downloads) };
  } finally {
    await server.close();
  }
}
