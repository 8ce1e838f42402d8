import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Server } from 'proxy-chain';
import { config } from '#lib/server/config.ts';
import { publicLookup, refusePrivateLiteral } from '#lib/server/media/download/address-guard.ts';
import type { DownloadOptions, DownloadOutcome } from '#lib/server/media/download/download.ts';
import type { DownloadLimits } from '#lib/server/media/download/fetch-file.ts';

/** What goes through the proxy: a page may also name streams of other protocols, which would be opened past it. */
const BY_HTTP = "[protocol~='^(https?|http_dash_segments|m3u8(_native)?)$']";

/**
 * Fetches the video of a web page with yt-dlp. All its connections go through a proxy of ours on
 * the loopback, which refuses addresses that are not public.
 */
export async function fetchFromPage(url: string, limits: DownloadLimits, options: DownloadOptions): Promise<DownloadOutcome> {
  const proxy = new Server({
    host: '127.0.0.1',
    port: 0,
    prepareRequestFunction: ({ hostname }) => {
      if (limits.allowPrivate) return {};
      refusePrivateLiteral(hostname);
      return { dnsLookup: publicLookup as never };
    },
  });
  await proxy.listen();
  const { ffmpegPath, pythonPath } = config();
  const child = spawn(
    pythonPath,
    [
      ...[
        '-m',
        'yt_dlp',
        '--ignore-config',
        '--no-playlist',
        '--no-cache-dir',
        '--restrict-filenames',
        '--newline',
        '--quiet',
        '--progress',
      ],
      ...[
        '--proxy',
        `http://127.0.0.1:${proxy.port}`,
        '--socket-timeout',
        '30',
        '--retries',
        '3',
        '--max-filesize',
        String(limits.maxBytes),
      ],
      ...['--ffmpeg-location', ffmpegPath, '-f', `bv*${BY_HTTP}+ba${BY_HTTP}/b${BY_HTTP}`, '--merge-output-format', 'mp4/mkv'],
      ...[
        '--progress-template',
        'download:%(progress._percent)s %(progress.eta)s',
        '-o',
        path.join(options.workDir, 'page', '%(title).120B.%(ext)s'),
      ],
      ...['--', url],
    ],
    { env: { PATH: process.env.PATH ?? '' }, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  );
  const kill = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  options.signal.addEventListener('abort', kill, { once: true });
  try {
    let lastWords = '';
    child.stderr.on('data', (text: Buffer) => (lastWords = (lastWords + text.toString()).slice(-2_000)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [percent = Number.NaN, etaSeconds = Number.NaN] = line.trim().split(/\s+/).map(Number.parseFloat);
      if (Number.isFinite(percent)) options.onProgress({ percent, etaMs: Number.isFinite(etaSeconds) ? etaSeconds * 1000 : null });
    });
    const exitCode = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
    options.signal.throwIfAborted();
    if (exitCode !== 0) return { kind: 'refused', message: explain(lastWords) };
    const [fileName] = await readdir(path.join(options.workDir, 'page'));
    if (fileName === undefined) return { kind: 'refused', message: 'No video was found on this page, or it is larger than allowed.' };
    return { kind: 'ok', path: path.join(options.workDir, 'page', fileName), fileName };
  } finally {
    options.signal.removeEventListener('abort', kill);
    await proxy.close(true);
  }
}

/** yt-dlp's error as one plain sentence. */
function explain(stderr: string): string {
  const line = stderr.split('\n').findLast((text) => text.startsWith('ERROR:')) ?? '';
  if (/Unsupported URL|No video/i.test(line)) return 'No video was found on this page.';
  const words = line
    .replace(/^ERROR:\s*(\[[^\]]*\]\s*)?/, '')
    .replace(/;? please report.*$/i, '')
    .slice(0, 300);
  return words === '' ? 'The video could not be downloaded from this page.' : `The video could not be downloaded: ${words}`;
}
