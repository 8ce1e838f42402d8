import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import ffmpeg from 'fluent-ffmpeg';
import { withoutUrls } from '#lib/core/without-urls.ts';
import { config } from '#lib/server/config.ts';
import { countFfmpeg } from '#lib/server/telemetry/ffmpeg-usage.ts';
import { inSpan, noteOnSpan } from '#lib/server/telemetry/tracing.ts';

/** Thrown when ffmpeg ends badly; the message is its own last words. */
export class FfmpegError extends Error {
  override readonly name = 'FfmpegError';
}

/**
 * For every input: it may hold anything that somebody has uploaded. A playlist, a list of files, a session description or a
 * picture with links would make ffmpeg open what it names, so only containers of video are read, whatever the file's name says.
 * Source: ffmpeg-formats(1), “format_whitelist”.
 */
const CONTAINERS = [
  '-format_whitelist',
  'mov,matroska,avi,mpegts,mpeg,mpegvideo,mxf,flv,asf,ogg,wtv,dv,gxf,nut,rm,ivf,h264,hevc,obu,m4v,vc1,gif,apng,yuv4mpegpipe,wav,mp3,flac,aac',
];
/** The file and nothing beside it. Source: ffmpeg-protocols(1), “protocol_whitelist”. */
const FILE_INPUT = [...CONTAINERS, '-protocol_whitelist', 'file'];
/** For inputs that come over HTTP: a connection that breaks is taken up again where it was. Source: ffmpeg-protocols(1), “http”. */
const HTTP_INPUT = [
  ...['-reconnect', '1', '-reconnect_on_network_error', '1', '-reconnect_on_http_error', '5xx', '-reconnect_delay_max', '30'],
  ...['-rw_timeout', '60000000', '-protocol_whitelist', 'http,https,tls,tcp', ...CONTAINERS],
];
/** How ffmpeg says how far it is: `frame=  120 fps= 60 q=…`. */
const PROGRESS = /^frame=\s*(\d+)\s+fps=\s*([\d.]+)/;

/** A thousand streams with their tags fit in. */
const MOST_PROBED_BYTES = 16 * 2 ** 20;
const DISK_FULL = 'The disk of the server is full: free some space, then try again.';
/** Of an absolute path, all but the file's name. */
const FOLDERS = /(?<![\w.:/])\/(?:[^\s/:'"]+\/)+/g;

/** How far ffmpeg is: frames written and frames a second. */
export interface FfmpegProgress {
  readonly frames: number;
  readonly fps: number;
}

/** One run of ffmpeg: inputs with their options, one filter graph, outputs with theirs. */
export interface FfmpegJob {
  readonly inputs: readonly { readonly path: string; readonly options?: readonly string[] }[];
  readonly filters?: readonly string[];
  readonly outputs: readonly { readonly path: string; readonly options: readonly string[] }[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FfmpegProgress) => void;
}

/**
 * Runs ffmpeg to its end. Throws `FfmpegError` with the reason, or the signal's reason when aborted;
 * then the process has been killed.
 */
export function runFfmpeg(job: FfmpegJob): Promise<void> {
  const facts = { 'ffmpeg.inputs': job.inputs.length, 'ffmpeg.outputs': job.outputs.length };
  return inSpan('ffmpeg', { attributes: facts }, async () => {
    const startedMs = performance.now();
    let outcome: 'done' | 'failed' | 'stopped' = 'failed';
    try {
      await run(job);
      outcome = 'done';
    } finally {
      if (job.signal?.aborted) outcome = 'stopped';
      countFfmpeg(outcome, performance.now() - startedMs);
    }
  });
}

async function run(job: FfmpegJob): Promise<void> {
  job.signal?.throwIfAborted();
  const command = ffmpeg();
  command.setFfmpegPath(config().ffmpegPath);
  for (const input of job.inputs) command.input(input.path).inputOptions([...guardOf(input), ...(input.options ?? [])]);
  if (job.filters) command.complexFilter([...job.filters]);
  for (const output of job.outputs) command.output(output.path).outputOptions([...output.options]);
  let frames = 0;
  // Not the library's own `progress` event: for it, the input is probed once more, without the options above.
  command.addOption('-y').on('stderr', (line: string) => {
    const found = PROGRESS.exec(line);
    if (found === null) return;
    frames = Number(found[1]);
    job.onProgress?.({ frames, fps: Number(found[2]) });
  });

  const kill = () => command.kill('SIGKILL');
  job.signal?.addEventListener('abort', kill, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      command
        .on('end', () => resolve())
        .on('error', (error: Error, _stdout: string | null, stderr: string | null) => reject(failure(stderr, error, 'ffmpeg failed')))
        .run();
    });
  } catch (error) {
    job.signal?.throwIfAborted();
    throw error;
  } finally {
    job.signal?.removeEventListener('abort', kill);
    noteOnSpan({ 'ffmpeg.frames': frames });
  }
}

/**
 * What ffprobe says of a file, unparsed. `options` are added to the command line. Throws `FfmpegError` with its reason, also
 * when it is not done within `timeoutMs` or says more than any video gives reason for.
 */
export async function runFfprobe(
  path: string,
  { options = [], timeoutMs }: { readonly options?: readonly string[]; readonly timeoutMs?: number } = {},
): Promise<unknown> {
  const args = [...guardOf({ path, options }), ...options, '-loglevel', 'error', '-of', 'json', '-show_streams', '-show_format', path];
  try {
    const { stdout } = await promisify(execFile)(config().ffprobePath, args, {
      ...{ maxBuffer: MOST_PROBED_BYTES, killSignal: 'SIGKILL' },
      ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    });
    return JSON.parse(stdout);
  } catch (error) {
    throw failure(error instanceof Error && 'stderr' in error ? String(error.stderr) : null, error, 'ffprobe failed');
  }
}

/** Whether ffmpeg reads this input over HTTP, and not from a disk of this machine. */
export function isHttpInput(input: string): boolean {
  return /^https?:\/\//.test(input);
}

/** The options that an input is opened with; one that names its format is a list or a pattern of our own making. */
function guardOf(input: FfmpegJob['inputs'][number]): readonly string[] {
  if (input.options?.includes('-f')) return [];
  return isHttpInput(input.path) ? HTTP_INPUT : FILE_INPUT;
}

function failure(stderr: string | null, error: unknown, otherwise: string): FfmpegError {
  const cause = withoutUrls(error instanceof Error ? error.message : String(error));
  return new FfmpegError(lastWords(stderr) ?? (cause || otherwise), { cause: new Error(cause) });
}

/** The last lines of a log that say something, without ffmpeg's banners, our folders and URLs; null when there is none. */
function lastWords(stderr: string | null): string | null {
  const lines = (stderr ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /error|invalid|no space|killed|could not|failed|not found|unable|does not contain|not on whitelist/i.test(line));
  if (lines.some((line) => /no space left on device/i.test(line))) return DISK_FULL;
  return lines.length === 0 ? null : withoutUrls(lines.slice(-2).join(' ')).replaceAll(FOLDERS, '');
}
