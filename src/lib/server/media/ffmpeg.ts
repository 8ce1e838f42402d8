import ffmpeg from 'fluent-ffmpeg';
import { config } from '#lib/server/config.ts';

/** Thrown when ffmpeg ends badly; the message is its own last words. */
export class FfmpegError extends Error {
  override readonly name = 'FfmpegError';
}

const DISK_FULL = 'The disk of the server is full: free some space, then try again.';
/** Of a URL, what signs it. */
const SIGNATURES = /(https?:\/\/[^\s?'"]+)\?[^\s'"]*/g;
/** A connection that breaks off is taken up again where it was; for half a minute at most. */
const RECONNECT = ['-reconnect', '1', '-reconnect_on_network_error', '1', '-reconnect_on_http_error', '5xx', '-reconnect_delay_max', '30'];
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

/** Whether an input is read over the network. */
export function isUrl(path: string): boolean {
  return /^https?:\/\//.test(path);
}

/**
 * Runs ffmpeg to its end. Throws `FfmpegError` with the reason, or the signal's reason when aborted;
 * then the process has been killed.
 */
export async function runFfmpeg(job: FfmpegJob): Promise<void> {
  job.signal?.throwIfAborted();
  const command = ffmpeg();
  command.setFfmpegPath(config().ffmpegPath);
  for (const { path, options = [] } of job.inputs) command.input(path).inputOptions([...(isUrl(path) ? RECONNECT : []), ...options]);
  if (job.filters) command.complexFilter([...job.filters]);
  for (const output of job.outputs) command.output(output.path).outputOptions([...output.options]);
  command.addOption('-y').on('progress', ({ frames, currentFps }) => job.onProgress?.({ frames, fps: currentFps }));

  const kill = () => command.kill('SIGKILL');
  job.signal?.addEventListener('abort', kill, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      command
        .on('end', () => resolve())
        .on('error', (error: Error, _stdout: string | null, stderr: string | null) =>
          reject(new FfmpegError(lastWords(stderr) ?? error.message, { cause: error })),
        )
        .run();
    });
  } catch (error) {
    job.signal?.throwIfAborted();
    throw error;
  } finally {
    job.signal?.removeEventListener('abort', kill);
  }
}

/** What ffprobe says of a file, unparsed. `options` are added to the command line. */
export async function runFfprobe(path: string, options: readonly string[] = []): Promise<unknown> {
  const command = ffmpeg(path);
  command.setFfprobePath(config().ffprobePath);
  return new Promise((resolve, reject) => {
    command.ffprobe([...options], (error: unknown, facts: unknown) => {
      if (error) reject(new FfmpegError(lastWords(String(error)) ?? 'ffprobe failed', { cause: error }));
      else resolve(facts);
    });
  });
}

/** The last lines of a log that say something, without ffmpeg's banners and our folders; null when there is none. */
function lastWords(stderr: string | null): string | null {
  const lines = (stderr ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /error|invalid|no space|killed|could not|failed|not found|unable|does not contain/i.test(line));
  if (lines.some((line) => /no space left on device/i.test(line))) return DISK_FULL;
  return lines.length === 0 ? null : lines.slice(-2).join(' ').replaceAll(SIGNATURES, '$1').replaceAll(FOLDERS, '');
}
