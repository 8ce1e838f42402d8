import { open, stat } from 'node:fs/promises';
import * as v from 'valibot';
import { formatDuration } from '#lib/core/format.ts';
import { fromTimecode, type FrameRate } from '#lib/core/frame-rate.ts';
import type { EncodedSource } from '#lib/core/source.ts';
import { isHttpInput, runFfprobe } from '#lib/server/media/ffmpeg.ts';

/** What is known of a source before it is encoded. */
export interface SourceFacts {
  readonly width: number;
  readonly height: number;
  readonly frameRate: FrameRate;
  /** Null where the container does not say. */
  readonly durationMs: number | null;
  /** How long the picture should last by the container's index; null where it does not say. */
  readonly pictureMs: number | null;
  /** When the first frame is shown, on the container's clock. */
  readonly startSeconds: number;
  /** How long after the container's beginning that is; sound counts from there. */
  readonly pictureDelaySeconds: number;
  /** Whether the container has an index by which a seek lands where it should. */
  readonly isSeekable: boolean;
  readonly isInterlaced: boolean;
  /** More frames than any sound file of this size and length has: then its clock is damaged. */
  readonly mostFrames: number;
  readonly colour: SourceColour;
  /** The number of the picture among all streams. */
  readonly pictureStream: number;
  /** The sound that is kept; null for none. */
  readonly sound: { readonly stream: number; readonly codec: string } | null;
  readonly description: EncodedSource;
}

/** What a source says of its colours, as ffmpeg names them; null where it says nothing. */
export interface SourceColour {
  readonly transfer: string | null;
  readonly matrix: string | null;
  readonly isFullRange: boolean;
  readonly isRgb: boolean;
}

/** What was measured of a finished video. */
export interface VideoFacts {
  readonly width: number;
  readonly height: number;
  readonly frameCount: number;
  readonly startSeconds: number;
  readonly audioStartSeconds: number | null;
}

/** A look at the beginning of a file, and at its index, takes no longer. */
const PROBE_TIMEOUT_MS = 60_000;
/** The longest video that is taken. */
const MAX_DURATION_MS = 24 * 3_600_000;
/** The largest picture that is taken, as it is shown: 8K panoramas fit in, and encoders go no further than this side. */
const MAX_PIXELS = 2 ** 26;
const MAX_SIDE = 16_384;
/** Encoders need as much. */
const MIN_SIDE = 16;
/**
 * A second of any video takes more: a standing picture at a constant rate takes five times as much. A file can claim any length,
 * and each second of it would be encoded.
 */
const FEWEST_BYTES_PER_SECOND = 100;
/** Claims of less cost nothing. */
const SHORT_MS = 60_000;

const text = v.fallback(v.optional(v.union([v.string(), v.number()])), undefined);
const Probe = v.object({
  streams: v.array(
    v.object({
      index: v.fallback(v.number(), 0),
      codec_type: v.optional(v.string()),
      codec_name: v.optional(v.string()),
      field_order: v.optional(v.string()),
      pix_fmt: v.optional(v.string()),
      sample_aspect_ratio: v.optional(v.string()),
      color_range: v.optional(v.string()),
      color_space: v.optional(v.string()),
      color_transfer: v.optional(v.string()),
      tags: v.optional(v.object({ timecode: v.optional(v.string()) })),
      width: v.optional(v.number()),
      height: v.optional(v.number()),
      avg_frame_rate: text,
      r_frame_rate: text,
      nb_read_packets: text,
      start_time: text,
      duration: text,
      disposition: v.optional(v.object({ attached_pic: v.optional(v.number()), default: v.optional(v.number()) })),
    }),
  ),
  format: v.object({
    duration: text,
    start_time: text,
    size: text,
    format_name: v.optional(v.string()),
    tags: v.optional(v.object({ timecode: v.optional(v.string()) })),
  }),
});
type ProbedStream = v.InferOutput<typeof Probe>['streams'][number];

/** The facts of a source, or in a sentence why it is not a video that can be used. */
export async function probeSource(
  path: string,
): Promise<{ readonly kind: 'ok'; readonly facts: SourceFacts } | { readonly kind: 'refused'; readonly reason: string }> {
  if (!isHttpInput(path) && (await stat(path)).size === 0) return refused('The file is empty.');
  let probe: v.InferOutput<typeof Probe>;
  try {
    probe = v.parse(Probe, await runFfprobe(path, { timeoutMs: PROBE_TIMEOUT_MS }));
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    if (/not on whitelist/i.test(words)) return refused('This is a text, a still image or a list of other files, not a video.');
    return refused(
      /moov atom not found/i.test(words) && (await isMp4(path))
        ? 'The file is cut short: its index (moov) is missing. Copy or record it again.'
        : 'This is not a video file that can be read.',
    );
  }
  const picture = probe.streams.find((stream) => stream.codec_type === 'video' && stream.disposition?.attached_pic !== 1);
  const sounds = probe.streams.filter((stream) => stream.codec_type === 'audio');
  const sound = sounds.find((stream) => stream.disposition?.default === 1) ?? sounds[0];
  if (picture === undefined) return refused(sound ? 'The file has sound but no picture.' : 'The file has no picture.');
  const { width, height } = picture;
  if (!width || !height) return refused('The picture in the file can’t be decoded: its size is unknown.');
  const shownWidth = Math.round(width * pixelShape(picture.sample_aspect_ratio));
  const size = `${shownWidth} × ${height} pixels`;
  if (Math.max(shownWidth, width, height) > MAX_SIDE || Math.max(shownWidth, width) * height > MAX_PIXELS) {
    return refused(`The picture is ${size} large: that is more than can be taken.`);
  }
  if (Math.min(shownWidth, width, height) < MIN_SIDE) return refused(`The picture is ${size} small: there is nothing to be seen in it.`);
  const durationMs = toMs(probe.format.duration);
  const pictureMs = toMs(picture.duration);
  const claimedMs = Math.max(durationMs ?? 0, pictureMs ?? 0);
  const sizeBytes = Number(probe.format.size) || 0;
  const mostMs = Math.min(MAX_DURATION_MS, Math.max(SHORT_MS, (sizeBytes * 1000) / FEWEST_BYTES_PER_SECOND));
  if (claimedMs > mostMs) {
    return refused(
      claimedMs > MAX_DURATION_MS
        ? `The file says that it lasts ${formatDuration(claimedMs)}: at most ${formatDuration(MAX_DURATION_MS)} are taken.`
        : `The file is damaged: it says that it lasts ${formatDuration(claimedMs)}, and is far too small for that.`,
    );
  }
  const frameRate = chooseFrameRate(String(picture.avg_frame_rate ?? ''), String(picture.r_frame_rate ?? ''));
  const timecode = [picture, probe.format, ...probe.streams].map(({ tags }) => tags?.timecode).find((found) => found !== undefined);
  const startTimecodeFrame = timecode === undefined ? null : fromTimecode(timecode, frameRate);
  const startSeconds = Number(picture.start_time) || 0;
  const colour = colourOf(picture);
  const container = probe.format.format_name ?? '';
  const isInterlaced = ['tt', 'bb', 'tb', 'bt'].includes(picture.field_order ?? '');
  return {
    kind: 'ok',
    facts: {
      width,
      height,
      frameRate,
      durationMs,
      // An index may count what an edit list leaves out: the shorter one is what should be there.
      pictureMs: pictureMs === null || durationMs === null ? null : Math.min(pictureMs, durationMs),
      startSeconds,
      pictureDelaySeconds: startSeconds - (Number(probe.format.start_time) || 0),
      isSeekable: /mp4|matroska|mxf/.test(container),
      isInterlaced,
      mostFrames: framesIn(claimedMs === 0 ? mostMs : Math.min(mostMs, 2 * claimedMs + SHORT_MS), frameRate),
      colour,
      pictureStream: picture.index,
      sound: sound === undefined ? null : { stream: sound.index, codec: sound.codec_name ?? 'unknown' },
      description: {
        container: container.split(',')[0] ?? container,
        codec: picture.codec_name ?? 'unknown',
        width,
        height,
        isHdr: isHdr(colour),
        isInterlaced,
        audioTrackCount: sounds.length,
        timecode: startTimecodeFrame === null ? null : (timecode ?? null),
        startTimecodeFrame: startTimecodeFrame ?? 0,
        isDropFrame: startTimecodeFrame === null ? null : /[;.]\d+$/.test(timecode ?? ''),
      },
    },
  };
}

function framesIn(ms: number, { num, den }: FrameRate): number {
  return Math.ceil((ms * num) / (1000 * den));
}

function colourOf(picture: ProbedStream): SourceColour {
  const said = (word: string | undefined) => (word === undefined || word === 'unknown' ? null : word);
  return {
    transfer: said(picture.color_transfer),
    matrix: said(picture.color_space),
    isFullRange: picture.color_range === 'pc' || (picture.pix_fmt ?? '').startsWith('yuvj'),
    isRgb: picture.color_space === 'gbr' || /^(gbr|rgb|bgr|argb|abgr|rgba|bgra|0rgb|0bgr|pal8)/.test(picture.pix_fmt ?? ''),
  };
}

/** Whether a picture is meant for a high-dynamic-range screen: PQ (SMPTE ST 2084) or HLG (ARIB STD-B67). */
export function isHdr({ transfer }: SourceColour): boolean {
  return transfer === 'smpte2084' || transfer === 'arib-std-b67';
}

/** Whether a file begins as the MP4 family does, with an `ftyp` box (ISO/IEC 14496-12, 4.3). */
async function isMp4(path: string): Promise<boolean> {
  return (await beginningOf(path, 8)).toString('latin1', 4, 8) === 'ftyp';
}

async function beginningOf(path: string, sizeBytes: number): Promise<Buffer> {
  if (isHttpInput(path)) {
    const answer = await fetch(path, { headers: { range: `bytes=0-${sizeBytes - 1}` } });
    return Buffer.from(await answer.arrayBuffer());
  }
  const file = await open(path, 'r');
  try {
    return (await file.read(Buffer.alloc(sizeBytes), 0, sizeBytes, 0)).buffer;
  } finally {
    await file.close();
  }
}

/** Measures a finished video, counting its packets. */
export async function measureVideo(path: string): Promise<VideoFacts> {
  const probe = v.parse(Probe, await runFfprobe(path, { options: ['-count_packets'] }));
  const picture = probe.streams.find((stream) => stream.codec_type === 'video');
  const sound = probe.streams.find((stream) => stream.codec_type === 'audio');
  if (!picture?.width || !picture.height) throw new Error('The encoded file has no picture.');
  return {
    width: picture.width,
    height: picture.height,
    frameCount: Number(picture.nb_read_packets),
    startSeconds: Number(picture.start_time) || 0,
    audioStartSeconds: sound === undefined ? null : Number(sound.start_time) || 0,
  };
}

const STANDARD_RATES: readonly FrameRate[] = [
  ...[24, 30, 48, 60, 120].map((rate) => ({ num: rate * 1000, den: 1001 })),
  ...[10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 100, 120].map((num) => ({ num, den: 1 })),
];

/**
 * The constant rate for the proxy: the average rate where that is a standard one, within 0.03 %; else, of a
 * picture whose rate varies, the standard nominal rate, at which no frame is lost; else the average as it is.
 * Some nominal rates, such as 90000/1, are containers' clocks and not pictures a second.
 */
export function chooseFrameRate(average: string, nominal: string): FrameRate {
  const [mean, most] = [parseRate(average), parseRate(nominal)];
  const rate = mean ?? most ?? { num: 25, den: 1 };
  const standard = standardRate(rate);
  if (standard !== null) return standard;
  const atMost = most === null ? null : standardRate(most);
  const share = most === null ? 0 : (rate.num * most.den) / (rate.den * most.num);
  if (atMost !== null && share >= 0.5 && share <= 1.01) return atMost;
  return rate.num <= 1_000_000 && rate.den <= 100_000 ? rate : { num: Math.round((rate.num / rate.den) * 1000), den: 1000 };
}

function standardRate(rate: FrameRate): FrameRate | null {
  return STANDARD_RATES.find(({ num, den }) => Math.abs((num * rate.den) / (den * rate.num) - 1) < 0.0003) ?? null;
}

function parseRate(text: string): FrameRate | null {
  const [num = 0, den = 1] = text.split('/').map(Number);
  const value = num / den;
  return value >= 1 && value <= 120 ? { num, den } : null;
}

/** How wide a pixel is for its height, as ffprobe writes it: `4:3`; 1 where that is not known. */
function pixelShape(text = ''): number {
  const [num = 0, den = 0] = text.split(':').map(Number);
  return num > 0 && den > 0 ? num / den : 1;
}

/** Seconds as ffprobe writes them, in milliseconds; null for none. */
function toMs(seconds: string | number | undefined): number | null {
  const value = Number(seconds);
  return seconds !== undefined && Number.isFinite(value) ? Math.round(value * 1000) : null;
}

function refused(reason: string): { kind: 'refused'; reason: string } {
  return { kind: 'refused', reason };
}
