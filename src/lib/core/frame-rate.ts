/** A frame rate as an exact fraction, e.g. 30000/1001. Seconds are derived, never stored. */
export interface FrameRate {
  readonly num: number;
  readonly den: number;
}

/** How a video's frames are counted for people: its rate, and the timecode of its first frame. */
export interface Timebase extends FrameRate {
  /** The number that the source's own timecode gives its first frame; 0 where it has none. */
  readonly startTimecodeFrame?: number;
  /** Whether its timecode is drop-frame, where the source says so; else 29.97 and 59.94 are. */
  readonly isDropFrame?: boolean;
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

/** Whether the rate is counted in drop-frame timecode: 29.97 and 59.94 are, unless the source says that it is not. */
export function isDropFrame(rate: Timebase): boolean {
  return rate.den === 1001 && (rate.num === 30000 || rate.num === 60000) && rate.isDropFrame !== false;
}

/** Frames that a second counts in timecode: 30 at 29.97. */
function nominalRate(rate: FrameRate): number {
  return Math.max(1, Math.round(rate.num / rate.den));
}

/**
 * A frame as SMPTE timecode `HH:MM:SS:FF`, with `;` before the frames when drop-frame, counted from the
 * timecode of the video's first frame. It begins anew after 24 hours, as timecode does.
 *
 * Drop-frame skips the numbers 0 and 1 (0 to 3 at 59.94) at the start of each minute but every
 * tenth; no frame is lost. Source: SMPTE ST 12-1.
 */
export function toTimecode(frame: number, rate: Timebase): string {
  const nominal = nominalRate(rate);
  const drop = isDropFrame(rate);
  const dropped = drop ? nominal / 15 : 0;
  const perMinute = nominal * 60 - dropped;
  const perTenMinutes = perMinute * 10 + dropped;
  const inDay = (frame + (rate.startTimecodeFrame ?? 0)) % (perTenMinutes * 6 * 24);
  const rest = inDay % perTenMinutes;
  const minutes = rest < nominal * 60 ? 0 : 1 + Math.floor((rest - nominal * 60) / perMinute);
  const counted = inDay + dropped * (9 * Math.floor(inDay / perTenMinutes) + minutes);
  const two = (value: number) => String(value).padStart(2, '0');
  const totalSeconds = Math.floor(counted / nominal);
  const fields = [Math.floor(totalSeconds / 3600), Math.floor(totalSeconds / 60) % 60, totalSeconds % 60];
  return `${fields.map(two).join(':')}${drop ? ';' : ':'}${two(counted % nominal)}`;
}

/**
 * The frame that an SMPTE timecode names, counted from 00:00:00:00; null for what is no timecode at this rate.
 * Any separator before the frames will do: at 29.97 and 59.94 a `;` or `.` says drop-frame, a `:` plain counting.
 */
export function fromTimecode(timecode: string, rate: FrameRate): number | null {
  const match = /^(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})$/.exec(timecode.trim());
  if (match === null) return null;
  const [hours, minutes, seconds, frames] = [match[1], match[2], match[3], match[5]].map(Number) as [number, number, number, number];
  const nominal = nominalRate(rate);
  if (hours > 23 || minutes > 59 || seconds > 59 || frames >= nominal) return null;
  const counted = ((hours * 60 + minutes) * 60 + seconds) * nominal + frames;
  if (!isDropFrame({ num: rate.num, den: rate.den, isDropFrame: match[4] !== ':' })) return counted;
  const dropped = nominal / 15;
  if (seconds === 0 && frames < dropped && minutes % 10 !== 0) return null;
  const totalMinutes = hours * 60 + minutes;
  return counted - dropped * (totalMinutes - Math.floor(totalMinutes / 10));
}
