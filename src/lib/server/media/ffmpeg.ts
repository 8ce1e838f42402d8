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
 * For inputs that come over HTTP. A connection that breaks is taken up again where it was. The object may hold anything that
 * somebody has uploaded: a playlist must not make ffmpeg fetch what it names, so only containers of video are read.
 * Source: ffmpeg-protocols(1), “http”; ffmpeg-formats(1), “format_whitelist”.
 */
const HTTP_INPUT = [
  ...['-reconnect', '1', '-reconnect_on_network_error', '1', '-reconnect_on_http_error', '5xx', '-reconnect_delay_max', '30'],
  ...['-rw_timeout', '60000000', '-protocol_whitelist', 'http,https,tls,tcp'],
  ...['-format_whitelist', 'mov,matroska,avi,mpegts,mpeg,mpegvideo,mxf,flv,asf,ogg,wtv,dv,gxf,nut,rm,ivf,h264,hevc,obu,m4v,vc1'],
];
/** How ffmpeg says how far it is: `frame=  120 fps= 60 q=…`. */
const PROGRESS = /^frame=\s*(\d+)\s+fps=\s*([\d.]+)/;

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
  for (const input of job.inputs) command.input(input.path).inputOptions([...httpOptions(input.path), ...(input.options ?? [])]);
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

/** What ffprobe says of a file, unparsed. `options` are added to the command line. */
export async function runFfprobe(path: string, options: readonly string[] = []): Promise<unknown> {
  const command = ffmpeg(path);
  command.setFfprobePath(config().ffprobePath);
  return new Promise((resolve, reject) => {
    command.ffprobe([...httpOptions(path), ...options], (error: unknown, facts: unknown) => {
      if (error) reject(failure(String(error), error, 'ffprobe failed'));
      else resolve(facts);
    });
  });
}

/** Whether ffmpeg reads this input over HTTP, and not from a disk of this machine. */
export function isHttpInput(input: string): boolean {
  return /^https?:\/\//.test(input);
}

function httpOptions(input: string): readonly string[] {
  return isHttpInput(input) ? HTTP_INPUT : [];
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
    .filter((line) => /error|invalid|no space|killed|could not|failed|not found|unable|does not contain/i.test(line));
  if (lines.some((line) => /no space left on device/i.test(line))) return DISK_FULL;
  return lines.length === 0 ? null : withoutUrls(lines.slice(-2).join(' ')).replaceAll(FOLDERS, '');
}
