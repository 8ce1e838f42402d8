import { isDropFrame, toTimecode, type FrameRate, type Timebase } from '#lib/core/frame-rate.ts';
import {
  commonTimebase,
  oneLine,
  recordFrames,
  sourcesOf,
  type CutList,
  type CutSource,
  type Written,
} from '#lib/core/interchange/cut-list.ts';

/** Rates at which editors count CMX3600 timecode. */
const RATES: readonly FrameRate[] = [
  ...[24, 25, 30, 48, 50, 60].map((num) => ({ num, den: 1 })),
  ...[24000, 30000, 48000, 60000].map((num) => ({ num, den: 1001 })),
];
const MOST_EVENTS = 999;
const REEL_LENGTH = 8;
const LIST_STARTS_AT_HOUR = 1;

/**
 * A list as a CMX3600 edit decision list: cuts on one video track, with comments as locators. Its own
 * timecode begins at one hour, as is usual. Sources: CMX 3600 format; Avid's `* LOC` comment.
 */
export function writeEdl(list: CutList): Written {
  const common = commonTimebase(list);
  if (common.kind === 'refused') return common;
  const { num, den } = common.timebase;
  if (!RATES.some((rate) => rate.num * den === rate.den * num)) {
    const fps = Number((num / den).toFixed(3));
    return { kind: 'refused', message: `An EDL can’t count ${fps} frames a second: choose OTIO, FCPXML or CSV.` };
  }
  if (list.events.length > MOST_EVENTS) {
    return {
      kind: 'refused',
      message: `An EDL holds ${MOST_EVENTS} clips at most, these are ${list.events.length}: choose OTIO, FCPXML or CSV.`,
    };
  }
  const isDrop = isDropFrame(common.timebase);
  const record: Timebase = { num, den, isDropFrame: isDrop };
  const hour = LIST_STARTS_AT_HOUR * framesInHour(record);
  const reels = reelNames(sourcesOf(list));
  const starts = recordFrames(list.events);
  const lines = list.events.flatMap((event, index) => {
    const at = hour + starts[index]!;
    const times = [
      toTimecode(event.startFrame, event.source.timebase),
      toTimecode(event.endFrame, event.source.timebase),
      toTimecode(at, record),
      toTimecode(hour + starts[index + 1]!, record),
    ];
    return [
      '',
      `${String(index + 1).padStart(3, '0')}  ${reels.get(event.source.videoId)!.padEnd(REEL_LENGTH)} V     C        ${times.join(' ')}`,
      `* FROM CLIP NAME: ${oneLine(event.name)}`,
      `* SOURCE FILE: ${oneLine(event.source.fileName)}`,
      ...event.markers.map(({ startFrame, author, text }) => {
        const marked = toTimecode(at + startFrame - event.startFrame, record);
        return `* LOC: ${marked} ${'GREEN'.padEnd(7)} ${oneLine(`${author}: ${text}`)}`;
      }),
    ];
  });
  return {
    kind: 'ok',
    text: [`TITLE: ${oneLine(list.title)}`, `FCM: ${isDrop ? 'DROP FRAME' : 'NON-DROP FRAME'}`, ...lines, ''].join('\r\n'),
  };
}

function framesInHour(rate: Timebase): number {
  const nominal = Math.round(rate.num / rate.den);
  return nominal * 3600 - (isDropFrame(rate) ? 54 * (nominal / 15) : 0);
}

/** A name of at most eight capitals and digits for each source, none twice. */
function reelNames(sources: readonly CutSource[]): Map<number, string> {
  const names = new Map<number, string>();
  const taken = new Set<string>();
  for (const { videoId, fileName } of sources) {
    const stem =
      fileName
        .replace(/\.[^.]*$/, '')
        .normalize('NFKD')
        .toUpperCase()
        .replace(/[^A-Z0-9]/g, '')
        .slice(0, REEL_LENGTH) || 'REEL';
    let name = stem;
    for (let count = 2; taken.has(name); count += 1) name = stem.slice(0, REEL_LENGTH - String(count).length) + count;
    taken.add(name);
    names.set(videoId, name);
  }
  return names;
}
