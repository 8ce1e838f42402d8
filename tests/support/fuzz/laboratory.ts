import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { ffmpeg, H264, makeFilms, PICTURE, TONE, type FuzzFile } from './films.ts';
import { makeTricks } from './tricks.ts';

/** Longer, and a file hangs; generous, for a slow machine. */
const PATIENCE_MS = 120_000;
/** More memory than any process on such small files has reason for. */
const MOST_MEMORY_BYTES = 1.5 * 2 ** 30;
const SAMPLE_MS = 50;

/** What became of a file in the pipeline. `words` are what a person would read. */
export interface Fate {
  readonly kind: 'video' | 'refused' | 'failed';
  readonly words: string;
  readonly tookMs: number;
  readonly mostMemoryBytes: number;
  /** Rules that were broken; none when all is well. */
  readonly broken: readonly string[];
}

/** A place to send files through the pipeline's tasks, with bait outside of it, which must stay untouched. */
export interface Laboratory {
  readonly films: readonly FuzzFile[];
  readonly tricks: readonly FuzzFile[];
  /** Where further files to be examined are put. */
  readonly inbox: string;
  /** Sends a file through; `isWhole` goes on after the encode: scenes of the proxy, stills, an export. */
  examine(file: string, options?: { readonly isWhole: boolean }): Promise<Fate>;
  close(): Promise<void>;
}

/** Opens a laboratory; call it before anything else asks for the configuration. */
export async function openLaboratory(): Promise<Laboratory> {
  const root = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'fuzz-'));
  const [dataDir, outside, inbox] = [path.join(root, 'data'), path.join(root, 'outside'), path.join(root, 'inbox')];
  for (const folder of [outside, inbox]) mkdirSync(folder);
  // As the process of a call: it has neither database nor secret.
  Object.assign(process.env, { HEATERS_ROLE: 'call', DATA_DIR: dataDir });
  const secret = path.join(outside, 'secret.ts');
  ffmpeg(...PICTURE, ...TONE, ...H264, secret);

  let knocks = 0;
  const server = createHttpServer((_request, response) => response.end(readFileSync(secret)));
  server.on('connection', () => (knocks += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const datagrams = createSocket('udp4').on('message', () => (knocks += 1));
  datagrams.bind(port, '127.0.0.1');

  const films = makeFilms(path.join(root, 'films'));
  const tricks = makeTricks(path.join(root, 'tricks'), films[0]!.path, { secret, origin: `http://127.0.0.1:${port}` });
  const watched = () => listing(root, [dataDir, inbox]);
  const before = watched();

  return {
    films,
    tricks,
    inbox,
    async examine(file, { isWhole } = { isWhole: true }) {
      const knocksBefore = knocks;
      const stopping = AbortSignal.timeout(PATIENCE_MS);
      const startedMs = performance.now();
      let mostMemoryBytes = 0;
      const sampler = setInterval(() => (mostMemoryBytes = Math.max(mostMemoryBytes, memoryOf(root))), SAMPLE_MS);
      const outcome = await sendThrough(file, stopping, isWhole).finally(() => clearInterval(sampler));
      const left = existsSync(path.join(dataDir, 'work')) ? readdirSync(path.join(dataDir, 'work')) : [];
      const isChanged = watched() !== before;
      const broken = [
        ...outcome.broken,
        ...(stopping.aborted ? [`it took longer than ${PATIENCE_MS / 1000} s`] : []),
        ...(knocks > knocksBefore ? ['it reached an address'] : []),
        ...(left.length > 0 ? [`work folders were left: ${left.join(', ')}`] : []),
        ...(isChanged ? ['files outside of the work folder changed'] : []),
        ...(processesOf(root).length > 0 ? ['processes were left'] : []),
        ...(mostMemoryBytes > MOST_MEMORY_BYTES ? [`it took ${Math.round(mostMemoryBytes / 2 ** 20)} MB of memory`] : []),
      ];
      await rm(path.join(dataDir, 'store'), { recursive: true, force: true });
      return { ...outcome, broken, mostMemoryBytes, tookMs: performance.now() - startedMs };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      datagrams.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The stages of a video as the worker and the runners run them: taken in, encoded, its scenes found anew, stills made, a clip exported. */
async function sendThrough(file: string, signal: AbortSignal, isWhole: boolean): Promise<Pick<Fate, 'kind' | 'words' | 'broken'>> {
  const [
    { probeSource, measureVideo },
    { encodeVideo },
    { detectScenes },
    { exportClip },
    { publishStills },
    { objectStore },
    { TaskRefused },
  ] = await Promise.all([
    import('#lib/server/media/probe.ts'),
    import('#lib/server/pool/tasks/encode-video.ts'),
    import('#lib/server/pool/tasks/detect-scenes.ts'),
    import('#lib/server/pool/tasks/export-clip.ts'),
    import('#lib/server/media/stills.ts'),
    import('#lib/server/storage/object-store.ts'),
    import('#lib/server/pool/define-task.ts'),
  ]);
  const context = { signal, report: () => undefined, attemptId: 'fuzz' };
  const store = objectStore();
  try {
    const probe = await probeSource(file);
    if (probe.kind === 'refused') return { kind: 'refused', words: probe.reason, broken: unfit(probe.reason) };
    const draft = `${file}.draft`;
    await copyFile(file, draft);
    const sourceKey = 'originals/1/source.mp4';
    await store.publish(sourceKey, draft);
    const encoded = await encodeVideo.run({ videoId: 1, sourceKey }, context);
    const { frameCount, frameRate, proxyKey, masterKey, width, height } = encoded;
    const words = `${width} × ${height}, ${frameCount} frames at ${frameRate.num}/${frameRate.den}`;
    if (!isWhole) return { kind: 'video', words, broken: [] };
    const scenes = await detectScenes.run({ proxyKey, frameRate, frameCount }, context);
    const clip = { id: 1, videoId: 1, startFrame: 0, endFrame: Math.ceil(frameCount / 2) };
    let stillCount = 0;
    await publishStills({
      ...{ proxyKey, frameRate, picture: { width, height }, span: clip, clips: [clip], signal },
      onStills: async ({ frames }) => void (stillCount += frames.length),
    });
    const { key } = await exportClip.run({ source: { kind: 'proxy', key: proxyKey }, frameRate, clip }, context);
    const counts = await Promise.all(
      [proxyKey, masterKey, key].map(async (each) => (await measureVideo(await store.inputFor(each))).frameCount),
    );
    const wanted = [frameCount, frameCount, clip.endFrame];
    return {
      kind: 'video',
      words,
      broken: [
        ...(String(counts) === String(wanted) && scenes.frameCount === frameCount
          ? []
          : [`frames: ${counts} and ${scenes.frameCount}, ${wanted} wanted`]),
        ...(stillCount > 0 ? [] : ['no stills were made']),
      ],
    };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    if (error instanceof TaskRefused) return { kind: 'refused', words, broken: unfit(words) };
    // What another attempt may mend ends as the reason of a failed stage; a mistake of ours is none.
    const isOurs = error instanceof Error && ['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'ValiError'].includes(error.name);
    return { kind: 'failed', words, broken: [...unfit(words), ...(isOurs ? [`${(error as Error).stack}`] : [])] };
  }
}

/** What is wrong with a reason that people read. */
function unfit(words: string): string[] {
  return words === '' || /\/(tmp|data|work|store)\//.test(words) || words.length > 1_000
    ? [`the reason is no sentence for people: ${words}`]
    : [];
}

/** The files below a folder but for some of its folders. */
function listing(folder: string, except: readonly string[]): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !except.some((left) => file.startsWith(left)) && !file.endsWith('.draft'))
    .sort()
    .join('\n');
}

/** Processes that have a word in their command line, but for this one. */
function processesOf(word: string): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name) || name === String(process.pid)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(word);
    } catch {
      return false;
    }
  });
}

function memoryOf(word: string): number {
  return processesOf(word).reduce((most, name) => {
    try {
      return Math.max(most, Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1] ?? 0) * 1024);
    } catch {
      return most;
    }
  }, 0);
}
