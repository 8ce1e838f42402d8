import type { FrameSpan } from '#lib/core/cuts.ts';
import type { PartPlan } from '#lib/core/encode-parts.ts';
import type { FrameRate } from '#lib/core/frame-rate.ts';
import { isHdr, type SourceFacts } from '#lib/server/media/probe.ts';

/** The frames that the scene detector looks at; `geometry.py` holds the same numbers. */
export const ANALYSIS = { width: 96, height: 54, pixelFormat: 'yuv420p' } as const;

const PROXY_MAX_WIDTH = 1280;
const PROXY_MAX_HEIGHT = 720;

const FIT_PROXY =
  `scale=w='max(2,trunc(iw*min(1,min(${PROXY_MAX_WIDTH}/iw,${PROXY_MAX_HEIGHT}/ih))/2)*2)'` +
  `:h='max(2,trunc(ih*min(1,min(${PROXY_MAX_WIDTH}/iw,${PROXY_MAX_HEIGHT}/ih))/2)*2)':flags=bicubic`;
const ANALYSED = `scale=${ANALYSIS.width}:${ANALYSIS.height}:flags=area,format=${ANALYSIS.pixelFormat}`;

/** What the recipes need to know of a source. */
export type Source = Pick<
  SourceFacts,
  'frameRate' | 'isInterlaced' | 'mostFrames' | 'colour' | 'pictureStream' | 'pictureDelaySeconds' | 'sound'
>;

/** Matrices that any player shows right when the file names them. Others are converted. */
const USUAL_MATRICES = ['bt709', 'smpte170m', 'bt470bg'];

/** The matrix of what is encoded; null where neither the source nor we know. */
function matrixOf({ colour }: Pick<Source, 'colour'>): string | null {
  if (isHdr(colour) || colour.isRgb) return 'bt709';
  if (colour.matrix === null) return null;
  return USUAL_MATRICES.includes(colour.matrix) ? colour.matrix : 'bt709';
}

/**
 * What makes any source's picture an ordinary one: whole frames, the range of colours that every screen has,
 * square pixels, even sizes, 8 bits 4:2:0. Rotation is ffmpeg's own doing, before its filters.
 * HDR is mapped to BT.709 by way of linear light; `mobius` leaves colours that any screen has as they are.
 */
function normalised(source: Source): string {
  const { colour, isInterlaced } = source;
  const matrix = matrixOf(source);
  const from = colour.isRgb || colour.matrix === null ? '' : `:in_color_matrix=${swscaleName(colour.matrix)}`;
  const to = matrix === null ? '' : `:out_color_matrix=${swscaleName(matrix)}`;
  const isConverted = colour.isRgb || matrix !== colour.matrix;
  return [
    ...(isInterlaced ? ['bwdif=mode=send_frame'] : []),
    ...(isHdr(colour)
      ? ['zscale=t=linear:npl=100', 'format=gbrpf32le', 'zscale=p=bt709', 'tonemap=mobius:desat=0', 'zscale=t=bt709:m=bt709:r=tv']
      : []),
    `scale=w='trunc(iw*sar/2+0.5)*2':h='trunc(ih/2)*2':flags=bicubic` +
      (isHdr(colour) ? '' : `${isConverted ? from + to : ''}${colour.isFullRange || colour.isRgb ? ':out_range=tv' : ''}`),
    'setsar=1',
    'format=yuv420p',
  ].join(',');
}

// The scale filter has one name for the matrices of all standard-definition systems, and one for both of BT.2020.
function swscaleName(matrix: string): string {
  if (matrix === 'bt470bg') return 'bt470';
  return matrix.startsWith('bt2020') ? 'bt2020' : matrix;
}

/** Says in the file which colours are meant, where that is known. */
function colourOptions(source: Source): string[] {
  const matrix = matrixOf(source);
  if (matrix === null) return ['-color_range', 'tv'];
  return [
    '-color_range',
    'tv',
    '-colorspace',
    matrix,
    '-color_primaries',
    matrix,
    '-color_trc',
    matrix === 'bt709' ? 'bt709' : 'smpte170m',
  ];
}

/**
 * The filter graph of the encode: one decode, one constant frame rate, three outputs `[proxy]`,
 * `[master]` and `[analysis]`. The rate comes before the split, so all three have the same frames. A clock that jumps would
 * fill up hours with the same picture: there is an end to that.
 */
export function encodeFilters(source: Source): string[] {
  return [
    `[0:${source.pictureStream}]setpts=PTS-STARTPTS,${constantRate(source.frameRate)},trim=end_frame=${source.mostFrames},${normalised(source)},split=3[master][scaled][small]`,
    `[scaled]${FIT_PROXY}[proxy]`,
    analysisFilter('small'),
  ];
}

/** A stretch of a source, for one of several runners. */
export interface PartWindow extends PartPlan {
  /** What the detector sees, beyond the part itself on both sides. */
  readonly window: PartPlan;
  /** When the source's first frame is shown, on its own clock. */
  readonly startSeconds: number;
}

/** How long before its window a part begins to decode: what it needs is then there, whatever rounding does. */
const LEAD_SECONDS = 1;

/** The input's side of `partFilters`: the source's own clock is kept, for all parts must count frames alike. */
export function partInputOptions({ window }: PartWindow, { num, den }: FrameRate): string[] {
  return ['-copyts', '-ss', Math.max(0, (window.startFrame * den) / num - LEAD_SECONDS).toFixed(6)];
}

/**
 * The filter graph of a part. After `fps` a frame's time is its number in the whole video, so that what
 * one part leaves off the next one begins with. `[digest]` are the detector's frames once more.
 */
export function partFilters(part: PartWindow, source: Source): string[] {
  const { window, startFrame, endFrame, startSeconds } = part;
  const end = (frame: number | null) => frame ?? source.mostFrames;
  const own = `trim=start_frame=${startFrame - window.startFrame}:end_frame=${end(endFrame) - window.startFrame}`;
  return [
    `[0:${source.pictureStream}]setpts=PTS-round(${startSeconds}/TB),${constantRate(source.frameRate)},` +
      `trim=start_pts=${window.startFrame}:end_pts=${end(window.endFrame)},setpts=PTS-STARTPTS,${normalised(source)},split=2[own][small]`,
    `[own]${own},setpts=PTS-STARTPTS,split=2[master][scaled]`,
    `[scaled]${FIT_PROXY}[proxy]`,
    `[small]${ANALYSED},split=2[analysis][digest]`,
  ];
}

/** A digest of each frame that the detector gets, as lines of text. */
export function digestOptions(): string[] {
  return ['-map', '[digest]', '-fps_mode', 'passthrough', '-f', 'framemd5'];
}

function constantRate({ num, den }: FrameRate): string {
  return `fps=fps=${num}/${den}:round=near`;
}

/** Scales a stream to `[analysis]`. */
export function analysisFilter(input: string): string {
  return `[${input}]${ANALYSED}[analysis]`;
}

/** The review proxy: every frame a key frame, so that a stream copy can begin anywhere. */
export function proxyOptions(source: Source): string[] {
  return [
    ...['-map', '[proxy]', '-c:v', 'libx264', '-preset', 'veryfast', '-crf', '26', '-g', '1', '-pix_fmt', 'yuv420p'],
    ...videoOptions(source),
    ...audioOptions(source, '128k'),
  ];
}

/** The archival master: full size, visually lossless. */
export function masterOptions(source: Source): string[] {
  return [
    ...['-map', '[master]', '-c:v', 'libx264', '-preset', 'fast', '-crf', '18', '-g', '250', '-pix_fmt', 'yuv420p'],
    ...videoOptions(source),
    ...audioOptions(source, '256k'),
  ];
}

/** Raw small frames for the scene detector. */
export function analysisOptions(): string[] {
  return ['-map', '[analysis]', '-f', 'rawvideo', '-fps_mode', 'passthrough'];
}

function videoOptions(source: Source): string[] {
  const { num, den } = source.frameRate;
  return ['-r', `${num}/${den}`, '-fps_mode', 'cfr', ...colourOptions(source), ...containerOptions(source.frameRate)];
}

// A track time scale of the rate's numerator makes each frame's time a whole number of ticks.
function containerOptions({ num }: FrameRate): string[] {
  return ['-video_track_timescale', String(num < 1000 ? num * 1000 : num), '-movflags', '+faststart', '-f', 'mp4'];
}

/** The sound of the proxy or the master by itself, for a picture that is encoded in parts. */
export function soundOptions(source: Source, of: 'proxy' | 'master'): string[] {
  return ['-vn', ...audioOptions(source, of === 'proxy' ? '128k' : '256k'), '-movflags', '+faststart', '-f', 'mp4'];
}

/** Joins what follows one another in a list of files with a sound file, or with none, without a change to either. */
export function joinOptions(frameRate: FrameRate, hasAudio: boolean): string[] {
  return ['-map', '0:v:0', ...(hasAudio ? ['-map', '1:a:0'] : []), '-c', 'copy', ...containerOptions(frameRate)];
}

/** A list of files for ffmpeg's concat demuxer, each with its exact length: what the container says is rounded. */
export function concatList(files: readonly { readonly path: string; readonly frameCount: number }[], { num, den }: FrameRate): string {
  const lines = files.map(
    ({ path, frameCount }) => `file '${path.replaceAll("'", "'\\''")}'\nduration ${((frameCount * den) / num).toFixed(6)}`,
  );
  return ['ffconcat version 1.0', ...lines, ''].join('\n');
}

/** The input's side of a concat list: it may name absolute paths and the object store's URLs, of files that we have made. */
export const CONCAT_INPUT = [
  ...['-f', 'concat', '-safe', '0', '-format_whitelist', 'concat,mov'],
  ...['-protocol_whitelist', 'file,http,https,tcp,tls,crypto'],
] as const;

// Sound counts from the first frame of the picture: what is before it goes, what is missing is silence.
function audioOptions({ sound, pictureDelaySeconds }: Source, bitrate: string): string[] {
  if (sound === null) return ['-an'];
  const shift = pictureDelaySeconds === 0 ? '' : `asetpts=PTS-round(${pictureDelaySeconds}/TB),`;
  const filter = `${shift}aresample=async=1:first_pts=0`;
  return ['-map', `0:${sound.stream}`, '-c:a', 'aac', '-b:a', bitrate, '-ac', '2', '-ar', '48000', '-af', filter];
}

/**
 * Cuts exactly the frames of a span from an all-intra file by stream copy. Seeking to the middle of
 * the frame before the first makes rounding harmless: the next key frame is the first one wanted.
 */
export function clipInputOptions(span: FrameSpan, { num, den }: FrameRate): string[] {
  return ['-ss', (((span.startFrame + 0.5) * den) / num).toFixed(6)];
}

/** A millisecond: a seek to just before a frame begins with that frame, however its time is rounded. */
const BEFORE_SECONDS = 0.001;

/** The input's side of a span that is encoded anew from a file whose key frames are far apart. */
export function reencodeInputOptions(span: FrameSpan, { num, den }: FrameRate): string[] {
  return ['-ss', Math.max(0, (span.startFrame * den) / num - BEFORE_SECONDS).toFixed(6)];
}

/** The widest still; a smaller picture stays as it is. */
const STILL_WIDTH = 640;

/** How large the stills of a picture are: of its shape, both sides even. */
export function stillSize({ width, height }: { readonly width: number; readonly height: number }): { width: number; height: number } {
  const scale = Math.min(1, STILL_WIDTH / width);
  return { width: Math.max(2, 2 * Math.round((width * scale) / 2)), height: Math.max(2, 2 * Math.round((height * scale) / 2)) };
}

/** The output's side of `reencodeInputOptions` for stills: raw frames of a span, none repeated or dropped. */
export function stillFramesOptions(span: FrameSpan, { width, height }: { readonly width: number; readonly height: number }): string[] {
  const scale = `scale=${width}:${height}:flags=area,format=yuv420p`;
  return [
    '-map',
    '0:v:0',
    '-an',
    '-fps_mode',
    'passthrough',
    '-vf',
    scale,
    '-frames:v',
    String(span.endFrame - span.startFrame),
    '-f',
    'rawvideo',
  ];
}

/** The output's side of `reencodeInputOptions`: its frames and sound, so that the eye sees no difference. */
export function reencodeOutputOptions(span: FrameSpan, frameRate: FrameRate): string[] {
  const { num, den } = frameRate;
  const frames = span.endFrame - span.startFrame;
  return [
    ...['-map', '0:v:0', '-map', '0:a:0?', '-c:v', 'libx264', '-preset', 'medium', '-crf', '14', '-pix_fmt', 'yuv420p'],
    ...['-r', `${num}/${den}`, '-fps_mode', 'cfr', '-frames:v', String(frames), '-t', ((frames * den) / num).toFixed(6)],
    ...['-c:a', 'aac', '-b:a', '256k', ...containerOptions(frameRate)],
  ];
}

/** The output's side of `clipInputOptions`; `soundInput` is the number of the input that has the sound. */
export function clipOutputOptions(span: FrameSpan, { num, den }: FrameRate, soundInput = 0): string[] {
  const frames = span.endFrame - span.startFrame;
  return [
    ...['-map', '0:v:0', '-map', `${soundInput}:a:0?`, '-c', 'copy', '-frames:v', String(frames)],
    ...['-t', ((frames * den) / num).toFixed(6), '-avoid_negative_ts', 'make_zero', '-movflags', '+faststart', '-f', 'mp4'],
  ];
}
