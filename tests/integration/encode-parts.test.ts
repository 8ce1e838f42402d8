import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeSeenCuts, planParts } from '#lib/core/encode-parts.ts';
import { encodeSource } from '#lib/server/media/encode.ts';
import { encodePart, encodeSound, joinParts, type EncodedPart } from '#lib/server/media/encode-parts.ts';
import { measureVideo, probeSource } from '#lib/server/media/probe.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

const signal = new AbortController().signal;
const run = promisify(execFile);
const ffmpeg = (...args: string[]) => run(process.env.FFMPEG_PATH ?? 'ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...args]);

let env: TestEnvironment;
beforeAll(async () => {
  env = await openEnvironment();
});
afterAll(() => env.close());

function folder(name: string): string {
  const made = path.join(env.dataDir, name);
  mkdirSync(made, { recursive: true });
  return made;
}

/** Encodes a file at once, and in parts that are then joined. */
async function bothWays(source: string, partFrames: number) {
  const probe = await probeSource(source);
  if (probe.kind === 'refused') throw new Error(probe.reason);
  const { facts } = probe;
  const whole = await encodeSource(source, folder('whole'), { signal });
  const expectedFrames = Math.round(((facts.pictureMs ?? facts.durationMs ?? 0) / 1000) * (facts.frameRate.num / facts.frameRate.den));
  const parts: EncodedPart[] = [];
  for (const plan of planParts(expectedFrames, partFrames)) {
    parts.push(await encodePart(source, folder(`part-${plan.startFrame}`), facts, { ...plan, expectedFrames: partFrames }, { signal }));
  }
  const sound = whole.hasAudio ? await encodeSound(source, folder('sound'), facts, { signal }) : null;
  const joined = { proxy: path.join(env.dataDir, 'joined-proxy.mp4'), master: path.join(env.dataDir, 'joined-master.mp4') };
  const pictures = (of: 'proxyPath' | 'masterPath') => parts.map((part) => ({ path: part[of], frameCount: part.frameCount }));
  await joinParts(pictures('proxyPath'), sound?.proxyPath ?? null, joined.proxy, facts.frameRate, { signal });
  await joinParts(pictures('masterPath'), sound?.masterPath ?? null, joined.master, facts.frameRate, { signal });
  return { whole, parts, joined };
}

async function digests(input: string, ...options: string[]): Promise<string[]> {
  const { stdout } = await run(
    process.env.FFMPEG_PATH ?? 'ffmpeg',
    ['-loglevel', 'error', '-i', input, ...options, '-f', 'framemd5', '-'],
    {
      maxBuffer: 1 << 26,
    },
  );
  return stdout.split('\n').flatMap((line) => (/^\d/.test(line) ? [line.split(',').at(-1)!.trim()] : []));
}

/** How alike two videos are, frame by frame: the least SSIM of all frames. Shifted by one frame a moving picture is far below 0.9. */
async function leastSsim(one: string, other: string): Promise<number> {
  const { stderr } = await run(process.env.FFMPEG_PATH ?? 'ffmpeg', [
    ...['-i', one, '-i', other, '-lavfi', '[0:v][1:v]ssim=stats_file=-:shortest=0', '-f', 'null', '-'],
  ]).then(({ stdout, stderr }) => ({ stderr: stdout + stderr }));
  return Math.min(...[...stderr.matchAll(/All:([\d.]+) \(/g)].map((match) => Number(match[1])));
}

const SOURCES: readonly [string, string[], string, number][] = [
  [
    '25 fps with B-frames and open GOPs',
    [
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=320x180:r=25:d=16',
      '-f',
      'lavfi',
      '-i',
      'sine=d=16',
      '-g',
      '60',
      '-x264-params',
      'open-gop=1:bframes=3',
    ],
    'mp4',
    120,
  ],
  ['29.97 fps that begins late', ['-itsoffset', '1.4', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=30000/1001:d=14'], 'mkv', 140],
  [
    'a varying frame rate',
    ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=30:d=14', '-vf', "select='not(eq(mod(n,7),3))'", '-fps_mode', 'vfr'],
    'mp4',
    100,
  ],
];

describe('a source that is encoded in parts', () => {
  it.each(SOURCES)('is the same frames as encoded at once: %s', async (name, args, extension, partFrames) => {
    const source = path.join(env.dataDir, `${name.replaceAll(' ', '-')}.${extension}`);
    await ffmpeg(...args, '-pix_fmt', 'yuv420p', '-c:v', 'libx264', source);
    const { whole, parts, joined } = await bothWays(source, partFrames);

    expect(parts.length).toBeGreaterThanOrEqual(3);
    expect(parts.reduce((sum, part) => sum + part.frameCount, 0)).toBe(whole.frameCount);
    // Neighbours agree on the frames around their boundary.
    for (const [index, part] of parts.slice(1).entries()) expect(part.headDigest).toBe(parts[index]!.tailDigest);
    for (const [way, wholePath] of [
      ['proxy', whole.proxyPath],
      ['master', whole.masterPath],
    ] as const) {
      const measured = await measureVideo(joined[way]);
      expect(measured.frameCount).toBe(whole.frameCount);
      expect(measured.startSeconds).toBe((await measureVideo(wholePath)).startSeconds);
      expect(await leastSsim(joined[way], wholePath)).toBeGreaterThan(0.95);
    }
    // The sound was never in parts: sample for sample the same.
    if (whole.hasAudio) expect(await digests(joined.proxy, '-map', '0:a')).toEqual(await digests(whole.proxyPath, '-map', '0:a'));
    // Joining encodes nothing: the frames are those of the parts.
    const pieces = await Promise.all(parts.map((part) => digests(part.proxyPath)));
    expect(await digests(joined.proxy, '-map', '0:v')).toEqual(pieces.flat());
  });

  it('has the cuts that it has at once, each at its frame, also at and near the boundaries', async () => {
    const shots = [
      ['testsrc2=s=320x180:r=25', 118],
      ['mandelbrot=s=320x180:r=25', 120],
      ['smptebars=s=320x180:r=25', 122],
      ['rgbtestsrc=s=320x180:r=25', 130],
      ['cellauto=s=320x180:r=25:rule=110', 150],
    ] as const;
    const inputs = shots.flatMap(([shot]) => ['-f', 'lavfi', '-i', shot]);
    const trims = shots.map(([, frames], index) => `[${index}]trim=end_frame=${frames},setpts=N/25/TB,format=yuv420p[s${index}]`);
    const source = path.join(env.dataDir, 'shots.mp4');
    await ffmpeg(
      ...[...inputs, '-filter_complex', `${trims.join(';')};${shots.map((_, index) => `[s${index}]`).join('')}concat=n=${shots.length}[v]`],
      ...['-map', '[v]', '-pix_fmt', 'yuv420p', '-t', '25.6', source],
    );
    const { whole, parts } = await bothWays(source, 120);
    let startFrame = 0;
    const seen = parts.map((part) => {
      const span = { startFrame, endFrame: startFrame + part.frameCount };
      startFrame = span.endFrame;
      return { span, cuts: part.cuts };
    });
    const frames = mergeSeenCuts(seen).map((cut) => cut.frame);
    expect(frames).toHaveLength(4);
    expect(frames).toEqual(whole.scenes.cuts.map((cut) => cut.frame));
  });
});
