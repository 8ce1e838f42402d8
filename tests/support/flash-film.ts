import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FFMPEG = process.env.FFMPEG_PATH ?? 'ffmpeg';

/** Flashes and beeps begin together at each whole second and a half: 0.5, 1.5, … and last 120 ms. */
const FLASH = 'between(mod(t\\,1)\\,0.5\\,0.62)';

/**
 * A film of known truth: moving colour bars, and once a second a white flash with a beep. Its inputs are
 * the picture at a frame rate, the sound, and another sound without a beep.
 */
export const FILM = {
  seconds: 4,
  inputs: (frameRate: string): string[] => [
    ...[
      '-f',
      'lavfi',
      '-i',
      `testsrc2=s=320x180:r=${frameRate},drawbox=x=110:y=60:w=100:h=60:c=black:t=fill,drawbox=x=110:y=60:w=100:h=60:c=white:t=fill:enable='${FLASH}'`,
    ],
    ...['-f', 'lavfi', '-i', `sine=f=1000:r=48000,volume='if(${FLASH}\\,1\\,0)':eval=frame`],
    ...['-f', 'lavfi', '-i', 'anoisesrc=r=48000:a=0.3'],
  ],
} as const;

/** When the box in the middle of the picture turns white, in seconds. */
export async function flashes(file: string): Promise<number[]> {
  const { stdout } = await run(FFMPEG, [
    ...[
      '-loglevel',
      'error',
      '-i',
      file,
      '-vf',
      'crop=iw/6:ih/6,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-',
      '-f',
      'null',
      '-',
    ],
  ]);
  const levels = [...stdout.matchAll(/pts_time:([\d.]+)\s+lavfi\.signalstats\.YAVG=([\d.]+)/g)].map(
    ([, at, level]) => [Number(at), Number(level)] as const,
  );
  return levels.flatMap(([at, level], index) => (level > 150 && (levels[index - 1]?.[1] ?? 255) <= 150 ? [at] : []));
}

/** When a beep begins, in seconds, to about a millisecond. */
export async function beeps(file: string): Promise<number[]> {
  const { stdout } = await run(
    FFMPEG,
    ['-loglevel', 'error', '-i', file, '-map', '0:a', '-af', 'aresample=8000:first_pts=0', '-ac', '1', '-f', 's16le', '-'],
    { encoding: 'buffer', maxBuffer: 1 << 26 },
  );
  const samples = new Int16Array(stdout.buffer, stdout.byteOffset, stdout.byteLength >> 1);
  const found: number[] = [];
  let quietSince = -Infinity;
  samples.forEach((sample, index) => {
    if (Math.abs(sample) < 600) return;
    if (index - quietSince > 1_600) found.push(index / 8_000);
    quietSince = index;
  });
  return found;
}

/** The least likeness (SSIM) of some frames of a video with those of a film that a filter has been applied to. */
export async function leastSsim(
  film: { readonly path: string; readonly fromFrame: number; readonly filter: string },
  file: string,
): Promise<number> {
  const pick = "select='not(mod(n-3\\,13))',setpts=N/TB";
  const { stderr } = await run(FFMPEG, [
    ...['-i', film.path, '-i', file, '-lavfi'],
    `[0:v]trim=start_frame=${film.fromFrame},setpts=PTS-STARTPTS,${film.filter},${pick},format=yuv420p[a];` +
      `[1:v]${pick},format=yuv420p[b0];[b0][a]scale2ref=flags=bicubic[b][a1];[a1][b]ssim=stats_file=-`,
    ...['-f', 'null', '-'],
  ]).then(({ stdout, stderr: words }) => ({ stderr: stdout + words }));
  const values = [...stderr.matchAll(/All:([\d.]+) \(/g)].map((match) => Number(match[1]));
  if (values.length === 0) throw new Error(`No frame was compared: ${stderr.slice(-400)}`);
  return Math.min(...values);
}
