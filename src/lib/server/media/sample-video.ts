import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { config } from '#lib/server/config.ts';

/** Shots of the sample, as ffmpeg's own picture generators make them. */
const SHOTS = [
  'testsrc2=size=1280x720:rate=25:duration=4',
  'mandelbrot=size=1280x720:rate=25:start_scale=2:end_scale=0.4:end_pts=200',
  'smptehdbars=size=1280x720:rate=25:duration=4',
  'life=size=320x180:rate=25:mold=10:ratio=0.12:death_color=#5a2a00:life_color=#ffb347:seed=7',
  'gradients=size=1280x720:rate=25:duration=4:seed=3:c0=#10304f:c1=#d94f2b:speed=0.02',
  'rgbtestsrc=size=1280x720:rate=25:duration=4',
] as const;

/** The frames at which the sample's shots begin, apart from the first: its true cuts. */
export const SAMPLE_CUT_FRAMES = [80, 155, 215, 290, 370] as const;
const SHOT_FRAMES = [80, 75, 60, 75, 80, 50] as const;

/** Makes a 17-second film of six shots with a tone, so that a new library has something to show. */
export async function makeSampleVideo(outPath: string): Promise<void> {
  const inputs = SHOTS.flatMap((shot) => ['-f', 'lavfi', '-i', shot]);
  const trims = SHOT_FRAMES.map(
    (frames, index) =>
      `[${index}:v]scale=1280:720:flags=neighbor,format=yuv420p,setsar=1,trim=end_frame=${frames},setpts=N/25/TB[v${index}]`,
  );
  const joined = `${SHOTS.map((_, index) => `[v${index}]`).join('')}concat=n=${SHOTS.length}:v=1:a=0,fps=25[v]`;
  const seconds = SHOT_FRAMES.reduce((sum, frames) => sum + frames, 0) / 25;
  await promisify(execFile)(config().ffmpegPath, [
    ...['-hide_banner', '-loglevel', 'error', '-y', ...inputs],
    ...['-f', 'lavfi', '-i', `sine=frequency=330:beep_factor=3:sample_rate=48000:duration=${seconds}`],
    ...['-filter_complex', [...trims, joined].join(';'), '-map', '[v]', '-map', `${SHOTS.length}:a`],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '20', '-g', '50', '-c:a', 'aac', '-b:a', '96k', '-shortest', outPath],
  ]);
}
