import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSource } from '#lib/server/media/encode.ts';
import { measureVideo } from '#lib/server/media/probe.ts';
import { publishClipFile } from '#lib/server/media/clips.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { flashes, FILM, beeps, leastSsim } from '../support/flash-film.ts';

const run = promisify(execFile);
const ffmpeg = (...args: string[]) => run(process.env.FFMPEG_PATH ?? 'ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...args]);
const signal = new AbortController().signal;

let env: TestEnvironment;
beforeAll(async () => {
  env = await openEnvironment();
});
afterAll(() => env.close());

/** Has a file shown a quarter turn to the left, by its matrix. Until version 6 ffmpeg had another option for it. */
async function turn(file: string, turned: string): Promise<void> {
  await ffmpeg('-display_rotation', '90', '-i', file, '-map', '0', '-c', 'copy', turned).catch(() =>
    ffmpeg('-i', file, '-map', '0', '-c', 'copy', '-metadata:s:v', 'rotate=90', turned),
  );
}

/** A way to write the film: how many frames it then has, and how its picture should look. */
interface Source {
  readonly name: string;
  readonly extension: string;
  /** From the film's picture (input 0) and sound (input 1) to the file. */
  readonly options: readonly string[];
  readonly frameRate?: string;
  /** A second step, from the file so far to the source. */
  readonly then?: 'turn' | 'cut';
  readonly frameCount?: number;
  /** The film's frame that is its first. */
  readonly fromFrame?: number;
  readonly lastBeepSeconds?: number;
  readonly hasAudio?: boolean;
  /** A filter from the film's picture to what the proxy should look like. */
  readonly looksLike?: string;
  /** How alike at least; less where a codec or a conversion costs quality. */
  readonly ssim?: number;
  readonly facts?: Readonly<Record<string, unknown>>;
}

const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '12', '-pix_fmt', 'yuv420p'];
const SOUND = ['-c:a', 'aac'];
const HDR = (transfer: string) =>
  `format=yuv420p,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv,zscale=t=${transfer}:m=bt2020nc:p=bt2020:r=tv,format=yuv420p10le`;
const HDR_TAGS = (transfer: string) => [
  '-color_primaries',
  'bt2020',
  '-color_trc',
  transfer,
  '-colorspace',
  'bt2020nc',
  '-color_range',
  'tv',
];

const SOURCES: readonly Source[] = [
  { name: 'H.264 in MP4', extension: 'mp4', options: [...H264, ...SOUND] },
  {
    name: 'HEVC in MOV',
    extension: 'mov',
    options: ['-c:v', 'libx265', '-preset', 'ultrafast', '-crf', '12', '-x265-params', 'log-level=none', ...SOUND],
  },
  { name: 'AV1 in MKV', extension: 'mkv', options: ['-c:v', 'libaom-av1', '-cpu-used', '8', '-crf', '20', '-c:a', 'libopus'] },
  {
    name: 'VP9 in WebM',
    extension: 'webm',
    options: ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-b:v', '2M', '-c:a', 'libopus'],
  },
  { name: 'ProRes, 10 bit 4:2:2', extension: 'mov', options: ['-c:v', 'prores_ks', '-pix_fmt', 'yuv422p10le', '-c:a', 'pcm_s16le'] },
  {
    name: 'DNxHR in MXF',
    extension: 'mxf',
    options: ['-c:v', 'dnxhd', '-profile:v', 'dnxhr_sq', '-pix_fmt', 'yuv422p', '-c:a', 'pcm_s16le', '-ar', '48000'],
  },
  { name: 'MPEG-2 in a transport stream', extension: 'ts', options: ['-c:v', 'mpeg2video', '-q:v', '2', '-c:a', 'mp2'] },
  { name: 'MPEG-4 in AVI', extension: 'avi', options: ['-c:v', 'mpeg4', '-q:v', '2', '-c:a', 'pcm_s16le'] },
  { name: '23.976', extension: 'mp4', frameRate: '24000/1001', options: [...H264, ...SOUND] },
  {
    name: 'drop-frame timecode at 29.97',
    extension: 'mov',
    frameRate: '30000/1001',
    options: [...H264, ...SOUND, '-timecode', '00:59:59;28'],
    facts: { timecode: '00:59:59;28', startTimecodeFrame: 107_890, isDropFrame: true },
  },
  {
    name: 'plain timecode at 29.97 in MXF',
    extension: 'mxf',
    frameRate: '30000/1001',
    options: ['-c:v', 'mpeg2video', '-q:v', '2', '-c:a', 'pcm_s16le', '-ar', '48000', '-timecode', '01:00:00:00'],
    facts: { timecode: '01:00:00:00', startTimecodeFrame: 108_000, isDropFrame: false },
  },
  { name: '59.94', extension: 'mp4', frameRate: '60000/1001', options: [...H264, ...SOUND], frameCount: 4 * 60 },
  {
    name: 'a varying frame rate',
    extension: 'mp4',
    // Four of five frames, at the times that they had: a constant rate fills them up again.
    options: ['-vf', "select='not(eq(mod(n,5),1))'", '-fps_mode', 'vfr', ...H264, ...SOUND],
    ssim: 0.7,
  },
  { name: 'rotated by its matrix', extension: 'mp4', options: [...H264, ...SOUND], then: 'turn', looksLike: 'transpose=cclock' },
  { name: 'portrait', extension: 'mp4', options: ['-vf', 'transpose=clock', ...H264, ...SOUND], looksLike: 'transpose=clock' },
  {
    name: 'HDR, PQ',
    extension: 'mp4',
    options: [
      '-vf',
      HDR('smpte2084'),
      '-c:v',
      'libx265',
      '-preset',
      'ultrafast',
      '-crf',
      '10',
      '-x265-params',
      'log-level=none',
      ...HDR_TAGS('smpte2084'),
      ...SOUND,
    ],
    // Without the mapping it would be 0.77 and 0.83.
    ssim: 0.87,
    facts: { isHdr: true },
  },
  {
    name: 'HDR, HLG',
    extension: 'mkv',
    options: [
      '-vf',
      HDR('arib-std-b67'),
      '-c:v',
      'libx265',
      '-preset',
      'ultrafast',
      '-crf',
      '10',
      '-x265-params',
      'log-level=none',
      ...HDR_TAGS('arib-std-b67'),
      ...SOUND,
    ],
    // Without the mapping it would be 0.77 and 0.83.
    ssim: 0.87,
    facts: { isHdr: true },
  },
  {
    name: '10 bit H.264',
    extension: 'mp4',
    options: ['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '12', '-pix_fmt', 'yuv420p10le', ...SOUND],
  },
  { name: 'full range', extension: 'mp4', options: ['-vf', 'scale=out_range=pc', ...H264.slice(0, -1), 'yuvj420p', ...SOUND] },
  { name: 'RGB', extension: 'mkv', options: ['-c:v', 'ffv1', '-pix_fmt', 'bgr0', ...SOUND], ssim: 0.93 },
  {
    name: 'interlaced',
    extension: 'ts',
    frameRate: '50',
    options: ['-vf', 'interlace=lowpass=off', '-r', '25', '-flags', '+ildct+ilme', '-c:v', 'mpeg2video', '-q:v', '2', '-c:a', 'mp2'],
    looksLike: 'framestep=2',
    facts: { isInterlaced: true },
    ssim: 0.85,
  },
  {
    name: 'odd dimensions',
    extension: 'mkv',
    options: ['-vf', 'crop=319:179:0:0', '-c:v', 'ffv1', '-pix_fmt', 'yuv444p', ...SOUND],
    looksLike: 'crop=318:178:0:0',
  },
  { name: 'anamorphic pixels', extension: 'mp4', options: ['-vf', 'scale=240:180,setsar=4/3', ...H264, ...SOUND], ssim: 0.85 },
  { name: 'no audio', extension: 'mp4', options: [...H264, '-an'], hasAudio: false, facts: { audioTrackCount: 0 } },
  {
    name: 'several audio tracks, the second is the default',
    extension: 'mkv',
    options: ['-map', '0:v', '-map', '2:a', '-map', '1:a', '-disposition:a:0', '0', '-disposition:a:1', 'default', ...H264, ...SOUND],
    facts: { audioTrackCount: 2 },
  },
  { name: '5.1', extension: 'mp4', options: ['-af', 'pan=5.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0', ...H264, ...SOUND] },
  { name: 'a start that is not zero', extension: 'ts', options: [...H264, ...SOUND, '-output_ts_offset', '37.5'] },
  // Copied from 1 s on, an edit list leaves out what the key frame before it brings along.
  { name: 'an edit list', extension: 'mp4', options: [...H264, '-g', '250', ...SOUND], then: 'cut', frameCount: 75, fromFrame: 25 },
  {
    name: 'a picture that begins after the sound',
    extension: 'mkv',
    options: ['-vf', 'trim=start=0.51', '-fps_mode', 'vfr', ...H264, ...SOUND],
    frameCount: 87,
    fromFrame: 13,
  },
  { name: 'sound that begins after the picture', extension: 'mp4', options: ['-af', 'atrim=start=0.3', ...H264, ...SOUND] },
  { name: 'sound that ends early', extension: 'mov', options: ['-af', 'atrim=end=2.8', ...H264, ...SOUND], lastBeepSeconds: 2.5 },
];

describe('a source', () => {
  it.each(SOURCES)('$name comes out whole, in step and as it looks', async (source) => {
    const folder = path.join(env.dataDir, source.name.replaceAll(/\W+/g, '-'));
    mkdirSync(folder, { recursive: true });
    const rate = source.frameRate ?? '25';
    const reference = path.join(folder, 'reference.mkv');
    await ffmpeg(...FILM.inputs(rate), '-map', '0:v', '-c:v', 'ffv1', '-t', String(FILM.seconds), reference);
    let file = path.join(folder, `source.${source.extension}`);
    const maps = source.options.includes('-map') ? [] : ['-map', '0:v', ...(source.hasAudio === false ? [] : ['-map', '1:a'])];
    await ffmpeg(...FILM.inputs(rate), ...maps, ...source.options, '-t', String(FILM.seconds), file);
    if (source.then) {
      const changed = path.join(folder, `changed.${source.extension}`);
      await (source.then === 'cut' ? ffmpeg('-ss', '1.0', '-i', file, '-map', '0', '-c', 'copy', changed) : turn(file, changed));
      file = changed;
    }

    const encoded = await encodeSource(file, folder, { signal });
    const frameCount = source.frameCount ?? Math.round(FILM.seconds * (encoded.frameRate.num / encoded.frameRate.den));
    const [proxy, master] = await Promise.all([measureVideo(encoded.proxyPath), measureVideo(encoded.masterPath)]);
    expect({ proxy: proxy.frameCount, master: master.frameCount, detector: encoded.scenes.frameCount }).toEqual({
      proxy: encoded.frameCount,
      master: encoded.frameCount,
      detector: encoded.frameCount,
    });
    expect(Math.abs(encoded.frameCount - frameCount)).toBeLessThanOrEqual(1);
    expect(encoded.hasAudio).toBe(source.hasAudio ?? true);
    if (source.facts) expect(encoded.source).toMatchObject(source.facts);

    // Flash and beep at the same moment, at the beginning and at the end.
    const light = await flashes(encoded.proxyPath);
    expect(light.length).toBeGreaterThanOrEqual(2);
    if (encoded.hasAudio) {
      const sound = await beeps(encoded.proxyPath);
      for (const at of [light[0]!, light.findLast((flash) => flash < (source.lastBeepSeconds ?? Infinity) + 0.1)!]) {
        expect(Math.min(...sound.map((beep) => Math.abs(beep - at))), `beep beside the flash at ${at} s`).toBeLessThan(0.04);
      }
    }
    const film = { path: reference, fromFrame: source.fromFrame ?? 0, filter: source.looksLike ?? 'null' };
    expect(await leastSsim(film, encoded.masterPath)).toBeGreaterThan(source.ssim ?? 0.95);

    // And a clip out of its middle is its frames.
    await objectStore().publish(`proxies/${source.name}/proxy.mp4`, encoded.proxyPath);
    const span = { startFrame: 7, endFrame: 30 };
    await publishClipFile({ proxyKey: `proxies/${source.name}/proxy.mp4`, frameRate: encoded.frameRate, span, key: 'clips/c.mp4', signal });
    expect((await measureVideo(await objectStore().inputFor('clips/c.mp4'))).frameCount).toBe(23);
  });
});
