import type { FrameSpan } from '#lib/core/cuts.ts';
import type { FrameRate } from '#lib/core/frame-rate.ts';

/** The frames that the scene detector looks at; `geometry.py` holds the same numbers. */
export const ANALYSIS = { width: 96, height: 54, pixelFormat: 'yuv420p' } as const;

const PROXY_MAX_WIDTH = 1280;
const PROXY_MAX_HEIGHT = 720;

/**
 * The filter graph of the encode: one decode, one constant frame rate, three outputs `[proxy]`,
 * `[master]` and `[analysis]`. The rate comes before the split, so all three have the same frames.
 * Pixels are made square and sizes even, which H.264 4:2:0 needs.
 */
export function encodeFilters(frameRate: FrameRate): string[] {
  const { num, den } = frameRate;
  const even = `scale=w='trunc(iw*sar/2+0.5)*2':h='trunc(ih/2)*2':flags=bicubic,setsar=1`;
  const fit =
    `scale=w='max(2,trunc(iw*min(1,min(${PROXY_MAX_WIDTH}/iw,${PROXY_MAX_HEIGHT}/ih))/2)*2)'` +
    `:h='max(2,trunc(ih*min(1,min(${PROXY_MAX_WIDTH}/iw,${PROXY_MAX_HEIGHT}/ih))/2)*2)':flags=bicubic`;
  return [
    `[0:v:0]setpts=PTS-STARTPTS,fps=fps=${num}/${den}:round=near,${even},format=yuv420p,split=3[master][scaled][small]`,
    `[scaled]${fit}[proxy]`,
    analysisFilter('small'),
  ];
}

/** Scales a stream to `[analysis]`. */
export function analysisFilter(input: string): string {
  return `[${input}]scale=${ANALYSIS.width}:${ANALYSIS.height}:flags=area,format=${ANALYSIS.pixelFormat}[analysis]`;
}

/** The review proxy: every frame a key frame, so that a stream copy can begin anywhere. */
export function proxyOptions(frameRate: FrameRate, hasAudio: boolean): string[] {
  return [
    ...['-map', '[proxy]', '-c:v', 'libx264', '-preset', 'veryfast', '-crf', '26', '-g', '1', '-pix_fmt', 'yuv420p'],
    ...videoOptions(frameRate),
    ...audioOptions(hasAudio, '128k'),
  ];
}

/** The archival master: full size, visually lossless. */
export function masterOptions(frameRate: FrameRate, hasAudio: boolean): string[] {
  return [
    ...['-map', '[master]', '-c:v', 'libx264', '-preset', 'fast', '-crf', '18', '-g', '250', '-pix_fmt', 'yuv420p'],
    ...videoOptions(frameRate),
    ...audioOptions(hasAudio, '256k'),
  ];
}

/** Raw small frames for the scene detector. */
export function analysisOptions(): string[] {
  return ['-map', '[analysis]', '-f', 'rawvideo', '-fps_mode', 'passthrough'];
}

// A track time scale of the rate's numerator makes each frame's time a whole number of ticks.
function videoOptions({ num, den }: FrameRate): string[] {
  const timeScale = num < 1000 ? num * 1000 : num;
  return ['-r', `${num}/${den}`, '-fps_mode', 'cfr', '-video_track_timescale', String(timeScale), '-movflags', '+faststart', '-f', 'mp4'];
}

// Sound is filled up with silence to start with the picture.
function audioOptions(hasAudio: boolean, bitrate: string): string[] {
  if (!hasAudio) return ['-an'];
  return ['-map', '0:a:0', '-c:a', 'aac', '-b:a', bitrate, '-ac', '2', '-ar', '48000', '-af', 'aresample=async=1:first_pts=0'];
}

/**
 * Cuts exactly the frames of a span from an all-intra file by stream copy. Seeking to the middle of
 * the frame before the first makes rounding harmless: the next key frame is the first one wanted.
 */
export function clipInputOptions(span: FrameSpan, { num, den }: FrameRate): string[] {
  return ['-ss', (((span.startFrame + 0.5) * den) / num).toFixed(6)];
}

/** The output's side of `clipInputOptions`. */
export function clipOutputOptions(span: FrameSpan, { num, den }: FrameRate): string[] {
  const frames = span.endFrame - span.startFrame;
  return [
    ...['-map', '0:v:0', '-map', '0:a:0?', '-c', 'copy', '-frames:v', String(frames)],
    ...['-t', ((frames * den) / num).toFixed(6), '-avoid_negative_ts', 'make_zero', '-movflags', '+faststart', '-f', 'mp4'],
  ];
}
