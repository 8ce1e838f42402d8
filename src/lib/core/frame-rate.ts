/** A frame rate as an exact fraction, e.g. 30000/1001. Seconds are derived, never stored. */
export interface FrameRate {
  readonly num: number;
  readonly den: number;
}

/** Frames per second as a float, for display and for ffmpeg's fps figures. */
export function framesPerSecond(rate: FrameRate): number {
  return rate.num / rate.den;
}

/** The moment at which a frame begins, in seconds. */
export function frameToSeconds(frame: number, rate: FrameRate): number {
  return (frame * rate.den) / rate.num;
}

/** The frame that is shown at a moment given in seconds. The small slack absorbs float error. */
export function secondsToFrame(seconds: number, rate: FrameRate): number {
  return Math.floor((seconds * rate.num) / rate.den + 1e-6);
}

/** The length of a number of frames in whole milliseconds. */
export function framesToDurationMs(frameCount: number, rate: FrameRate): number {
  return Math.round((frameCount * 1000 * rate.den) / rate.num);
}

/** Whether the rate is counted in drop-frame timecode: 29.97 and 59.94. */
export function isDropFrame(rate: FrameRate): boolean {
  return rate.den === 1001 && (rate.num === 30000 || rate.num === 60000);
}

/**
 * A frame number as SMPTE timecode `HH:MM:SS:FF`, with `;` before the frames when drop-frame.
 *
 * Drop-frame skips the numbers 0 and 1 (0 to 3 at 59.94) at the start of each minute but every
 * tenth; no frame is lost. Source: SMPTE ST 12-1.
 */
export function toTimecode(frame: number, rate: FrameRate): string {
  const nominal = Math.max(1, Math.round(rate.num / rate.den));
  const drop = isDropFrame(rate);
  let counted = frame;
  if (drop) {
    const dropped = nominal / 15;
    const perMinute = nominal * 60 - dropped;
    const perTenMinutes = perMinute * 10 + dropped;
    const tens = Math.floor(frame / perTenMinutes);
    const rest = frame % perTenMinutes;
    const minutes = rest < nominal * 60 ? 0 : 1 + Math.floor((rest - nominal * 60) / perMinute);
    counted += dropped * (9 * tens + minutes);
  }
  const two = (value: number) => String(value).padStart(2, '0');
  const totalSeconds = Math.floor(counted / nominal);
  const fields = [Math.floor(totalSeconds / 3600), Math.floor(totalSeconds / 60) % 60, totalSeconds % 60];
  return `${fields.map(two).join(':')}${drop ? ';' : ':'}${two(counted % nominal)}`;
}
