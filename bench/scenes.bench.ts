/**
 * Scores the scene detector on annotated films, beside its peers, and times it against
 * ffmpeg alone, decoding and scaling to the same small frames, each film by itself and one
 * repeated to eight minutes, where the start of the processes no longer counts:
 *
 *   npm run bench -- scenes [--dir FOLDER] [--films 6] [--seed 4242] [--repeats 3]
 *
 * Without --dir it generates a seeded set into a temporary folder. The last line of its
 * output is one JSON object with the totals.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = path.resolve(import.meta.dirname, '..');
const HARD_TOLERANCE_FRAMES = 1;
const GRADUAL_TOLERANCE_FRAMES = 2;
const VIDEO_SUFFIXES = ['.mp4', '.webm', '.mkv', '.mov', '.avi'];
const LONG_FILM_SECONDS = 480;
const OURS = 'heaters';
const PEERS = ['content', 'adaptive', 'hist', 'scdet'] as const;

interface Truth {
  readonly cuts: readonly number[];
  readonly transitions: readonly { readonly start: number; readonly end: number }[];
}

interface Film {
  readonly name: string;
  readonly file: string;
  readonly truth: Truth;
}

/** Counts of boundaries; `hard…` counts the hard cuts alone, against every cut given. */
interface Tally {
  hits: number;
  falseAlarms: number;
  misses: number;
  hardHits: number;
  hardMisses: number;
}

/** Detection's wall time over that of decoding, for each repeat. */
interface Timing {
  readonly ratios: number[];
  readonly frames: number;
  readonly detectMs: number;
}

interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly wallMs: number;
}

/** Runs the bench; `args` are what follows its name on the command line. */
export async function run(args: string[]): Promise<void> {
  const { values: options } = parseArgs({
    args,
    options: {
      dir: { type: 'string' },
      films: { type: 'string', default: '6' },
      seed: { type: 'string', default: '4242' },
      repeats: { type: 'string', default: '3' },
    },
  });
  const python = findPython();
  const generatedDir = options.dir === undefined ? await mkdtemp(path.join(tmpdir(), 'heaters-films-')) : undefined;
  try {
    const folder = options.dir ?? generatedDir ?? '';
    if (generatedDir !== undefined) {
      console.log(`Generating ${options.films} films with seed ${options.seed} …`);
      await runCommand(python, [
        path.join(ROOT, 'bench/films/generate.py'),
        '--out',
        generatedDir,
        '--films',
        options.films,
        '--seed',
        options.seed,
      ]);
    }
    await benchFolder(python, folder, Math.max(1, Number(options.repeats)));
  } finally {
    if (generatedDir !== undefined) {
      await rm(generatedDir, { recursive: true, force: true });
    }
  }
}

async function benchFolder(python: string, folder: string, repeats: number): Promise<void> {
  const films = await listFilms(folder);
  if (films.length === 0) {
    throw new Error(`No video with a truth JSON beside it in ${folder}.`);
  }
  const peers = await availablePeers(python);
  const analysisFilter = await readAnalysisFilter(python);
  const tallies = new Map<string, Tally>([OURS, ...peers].map((name) => [name, emptyTally()]));
  const ratios: number[] = [];
  let frames = 0;
  let detectMs = 0;
  console.log(row('film', [OURS, ...peers], 'detect/decode'));
  for (const film of films) {
    const cells: string[] = [];
    for (const detector of [OURS, ...peers]) {
      const cuts = await detect(python, detector, film.file);
      const tally = scoreCuts(cuts, film.truth);
      add(tallies.get(detector), tally);
      cells.push(f1(tally).toFixed(3));
    }
    const timing = await timeAgainstDecoding(python, film.file, analysisFilter, repeats);
    ratios.push(...timing.ratios);
    frames += timing.frames;
    detectMs += timing.detectMs;
    console.log(row(film.name, cells, median(timing.ratios).toFixed(2)));
  }
  const totals = [OURS, ...peers].map((name) => f1(tallies.get(name) ?? emptyTally()));
  console.log(
    row(
      'all',
      totals.map((value) => value.toFixed(3)),
      median(ratios).toFixed(2),
    ),
  );
  const long = await timeLongFilm(python, films[0]!, analysisFilter, repeats);
  console.log(`${films[0]!.name} repeated to ${LONG_FILM_SECONDS} s, ${long.frames} frames: ${median(long.ratios).toFixed(2)}`);
  const whole = summary(tallies, peers, ratios, frames, detectMs);
  console.log(JSON.stringify({ ...whole, longFilmDetectVsDecodeRatio: round(median(long.ratios)) }));
}

function summary(tallies: Map<string, Tally>, peers: readonly string[], ratios: number[], frames: number, detectMs: number): object {
  const ours = tallies.get(OURS) ?? emptyTally();
  const ranked = peers.map((name) => ({ name, f1: f1(tallies.get(name) ?? emptyTally()) })).sort((a, b) => b.f1 - a.f1);
  return {
    precision: round(share(ours.hits, ours.falseAlarms)),
    recall: round(share(ours.hits, ours.misses)),
    f1: round(f1(ours)),
    hardF1: round(hardF1(ours)),
    framesPerSec: Math.round(frames / (detectMs / 1000)),
    detectVsDecodeRatio: round(median(ratios)),
    bestPeer: ranked[0]?.name ?? null,
    bestPeerF1: ranked[0] === undefined ? null : round(ranked[0].f1),
  };
}

function findPython(): string {
  const own = path.join(ROOT, '.heaters/venv/bin/python');
  return process.env['HEATERS_PYTHON'] ?? (existsSync(own) ? own : 'python3');
}

async function availablePeers(python: string): Promise<readonly string[]> {
  try {
    await runCommand(python, ['-c', 'import scenedetect']);
    return PEERS;
  } catch {
    console.log(
      `PySceneDetect is not installed, so only ffmpeg's scdet is compared. To install it: ${python} -m pip install --no-deps scenedetect==0.7.2 && ${python} -m pip install click platformdirs tqdm`,
    );
    return ['scdet'];
  }
}

/** The ffmpeg filter that makes the detector's frames, as the detector itself names it. */
async function readAnalysisFilter(python: string): Promise<string> {
  const code = 'from heaters_media.geometry import ANALYSIS_FILTER; print(ANALYSIS_FILTER)';
  return lastLine((await runCommand(python, ['-c', code], { cwd: path.join(ROOT, 'python') })).stdout);
}

async function listFilms(folder: string): Promise<Film[]> {
  const films: Film[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const { name: stem, ext } = path.parse(name);
    const truthFile = path.join(folder, `${stem}.json`);
    if (VIDEO_SUFFIXES.includes(ext) && existsSync(truthFile)) {
      const stored = JSON.parse(await readFile(truthFile, 'utf8')) as Partial<Truth>;
      films.push({
        name,
        file: path.join(folder, name),
        truth: { cuts: stored.cuts ?? [], transitions: stored.transitions ?? [] },
      });
    }
  }
  return films;
}

async function detect(python: string, detector: string, file: string): Promise<number[]> {
  if (detector === OURS) {
    return (await detectOurs(python, file)).cuts;
  }
  if (detector === 'scdet') {
    const { stdout } = await runCommand('ffmpeg', [
      '-nostdin',
      '-v',
      'error',
      '-i',
      file,
      '-map',
      '0:v:0',
      '-vf',
      'scdet=threshold=10,metadata=mode=print:key=lavfi.scd.time:file=-',
      '-f',
      'null',
      '-',
    ]);
    return [...stdout.matchAll(/^frame:(\d+)/gm)].map((match) => Number(match[1]));
  }
  const { stdout } = await runCommand(python, [path.join(ROOT, 'bench/films/peers.py'), detector, file]);
  return (JSON.parse(lastLine(stdout)) as { cuts: number[] }).cuts;
}

async function detectOurs(python: string, file: string): Promise<{ cuts: number[]; frames: number; wallMs: number }> {
  const { stdout, wallMs } = await runCommand(python, ['-m', 'heaters_media', 'detect-scenes', '--video', file], {
    cwd: path.join(ROOT, 'python'),
  });
  const result = JSON.parse(lastLine(stdout)) as { frameCount: number; cuts: { frame: number }[] };
  return { cuts: result.cuts.map((cut) => cut.frame), frames: result.frameCount, wallMs };
}

/** Times detection and ffmpeg's decoding and scaling alone in turns, so that a busy machine slows both alike. */
async function timeAgainstDecoding(python: string, file: string, analysisFilter: string, repeats: number): Promise<Timing> {
  const ratios: number[] = [];
  const detectTimes: number[] = [];
  let frames = 0;
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    const decoding = await runCommand('ffmpeg', [
      '-nostdin',
      '-v',
      'error',
      '-i',
      file,
      '-map',
      '0:v:0',
      '-fps_mode',
      'passthrough',
      '-vf',
      analysisFilter,
      '-f',
      'null',
      '-',
    ]);
    const detection = await detectOurs(python, file);
    frames = detection.frames;
    detectTimes.push(detection.wallMs);
    ratios.push(detection.wallMs / decoding.wallMs);
  }
  return { ratios, frames, detectMs: median(detectTimes) };
}

/** Times a film repeated, as it is stored, to the length of a real source. */
async function timeLongFilm(python: string, film: Film, analysisFilter: string, repeats: number): Promise<Timing> {
  const folder = await mkdtemp(path.join(tmpdir(), 'heaters-long-film-'));
  try {
    const file = path.join(folder, 'long.mkv');
    const once = ['-nostdin', '-v', 'error', '-stream_loop', '-1', '-i', film.file, '-map', '0:v:0', '-c', 'copy'];
    await runCommand('ffmpeg', [...once, '-t', String(LONG_FILM_SECONDS), file]);
    return await timeAgainstDecoding(python, file, analysisFilter, repeats);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Each boundary takes at most one cut, narrow spans first; every further cut is a false alarm. */
function scoreCuts(cuts: readonly number[], truth: Truth): Tally {
  const spans = [
    ...truth.cuts.map((cut) => ({ first: cut - HARD_TOLERANCE_FRAMES, last: cut + HARD_TOLERANCE_FRAMES, isHard: true })),
    ...truth.transitions.map(({ start, end }) => ({
      first: start - GRADUAL_TOLERANCE_FRAMES,
      last: end + GRADUAL_TOLERANCE_FRAMES,
      isHard: false,
    })),
  ].sort((a, b) => a.last - a.first - (b.last - b.first) || a.first - b.first);
  const left = new Set(cuts);
  const tally = emptyTally();
  for (const { first, last, isHard } of spans) {
    const nearest = [...left]
      .filter((frame) => frame >= first && frame <= last)
      .sort((a, b) => Math.abs(2 * a - first - last) - Math.abs(2 * b - first - last))[0];
    if (nearest !== undefined) {
      left.delete(nearest);
    }
    tally.hits += nearest === undefined ? 0 : 1;
    tally.misses += nearest === undefined ? 1 : 0;
    tally.hardHits += isHard && nearest !== undefined ? 1 : 0;
    tally.hardMisses += isHard && nearest === undefined ? 1 : 0;
  }
  tally.falseAlarms = left.size;
  return tally;
}

function emptyTally(): Tally {
  return { hits: 0, falseAlarms: 0, misses: 0, hardHits: 0, hardMisses: 0 };
}

function add(total: Tally | undefined, more: Tally): void {
  if (total !== undefined) {
    total.hits += more.hits;
    total.falseAlarms += more.falseAlarms;
    total.misses += more.misses;
    total.hardHits += more.hardHits;
    total.hardMisses += more.hardMisses;
  }
}

/** 1 when there was nothing to find and nothing was said. */
function f1({ hits, falseAlarms, misses }: Tally): number {
  const whole = 2 * hits + falseAlarms + misses;
  return whole === 0 ? 1 : (2 * hits) / whole;
}

/** Hard cuts alone; a false alarm counts here too, since nothing says what it was taken for. */
function hardF1({ hardHits, hardMisses, falseAlarms }: Tally): number {
  return f1({ ...emptyTally(), hits: hardHits, misses: hardMisses, falseAlarms });
}

function share(part: number, rest: number): number {
  return part + rest === 0 ? 1 : part / (part + rest);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}

function row(name: string, cells: readonly string[], ratio: string): string {
  return [name.slice(0, 28).padEnd(28), ...cells.map((cell) => cell.padStart(9)), ratio.padStart(14)].join(' ');
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

async function runCommand(command: string, args: readonly string[], options: { cwd?: string } = {}): Promise<Finished> {
  const startedAtMs = performance.now();
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (exitCode !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${String(exitCode)}: ${lastLine(stderr) || lastLine(stdout)}`);
  }
  return { stdout, stderr, wallMs: performance.now() - startedAtMs };
}
