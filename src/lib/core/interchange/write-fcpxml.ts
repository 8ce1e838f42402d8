import { spanLength } from '#lib/core/cuts.ts';
import { isDropFrame, type FrameRate } from '#lib/core/frame-rate.ts';
import {
  commonTimebase,
  recordFrames,
  sourceFrame,
  sourcesOf,
  type CutList,
  type CutSource,
  type Written,
} from '#lib/core/interchange/cut-list.ts';

/**
 * A list as Final Cut Pro XML: a project whose storyline is the clips, with comments as markers. All times are
 * fractions of a second, so that nothing is rounded. Source: Apple, “FCPXML Reference”, version 1.8.
 */
export function writeFcpxml(list: CutList): Written {
  const common = commonTimebase(list);
  if (common.kind === 'refused') return common;
  const { timebase } = common;
  const sources = sourcesOf(list);
  const assetIds = new Map(sources.map((source, index) => [source.videoId, `r${index + 2}`]));
  const starts = recordFrames(list.events);
  const clips = list.events.flatMap((event, index) => {
    const attributes = {
      ref: assetIds.get(event.source.videoId)!,
      name: event.name,
      offset: seconds(starts[index]!, timebase),
      start: seconds(sourceFrame(event, event.startFrame), timebase),
      duration: seconds(spanLength(event), timebase),
    };
    const markers = event.markers.map((marker) =>
      element('marker', {
        start: seconds(sourceFrame(event, marker.startFrame), timebase),
        duration: seconds(spanLength(marker), timebase),
        value: `${marker.author}: ${marker.text}`,
      }),
    );
    const keywords =
      event.tags.length === 0
        ? []
        : [element('keyword', { start: attributes.start, duration: attributes.duration, value: event.tags.join(', ') })];
    return element('asset-clip', attributes, [...markers, ...keywords]);
  });
  const sequence = {
    format: 'r1',
    duration: seconds(starts.at(-1)!, timebase),
    tcStart: '0s',
    tcFormat: isDropFrame(timebase) ? 'DF' : 'NDF',
  };
  const [{ width, height }] = sources as [CutSource];
  const body = element('fcpxml', { version: '1.8' }, [
    element('resources', {}, [
      element('format', { id: 'r1', frameDuration: seconds(1, timebase), width: String(width), height: String(height) }),
      ...sources.map((source) => asset(source, assetIds.get(source.videoId)!, timebase)),
    ]),
    element('library', {}, [
      element('event', { name: list.title }, [
        element('project', { name: list.title }, [element('sequence', sequence, [element('spine', {}, clips)])]),
      ]),
    ]),
  ]);
  return { kind: 'ok', text: `<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n${body}\n` };
}

function asset(source: CutSource, id: string, timebase: FrameRate): string {
  return element('asset', {
    id,
    name: source.title,
    src: `file:///${encodeURIComponent(source.fileName)}`,
    start: seconds(source.timebase.startTimecodeFrame ?? 0, timebase),
    duration: seconds(source.frameCount, timebase),
    hasVideo: '1',
    ...(source.hasAudio ? { hasAudio: '1' } : {}),
    format: 'r1',
  });
}

/** Frames as a fraction of seconds, such as `1001/30000s`. */
function seconds(frames: number, { num, den }: FrameRate): string {
  return frames === 0 ? '0s' : `${frames * den}/${num}s`;
}

function element(name: string, attributes: Readonly<Record<string, string>>, children: readonly string[] = []): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(value)}"`);
  const open = `<${name}${written.join('')}`;
  return children.length === 0 ? `${open}/>` : `${open}>\n${children.join('\n')}\n</${name}>`;
}

/** A value for an XML 1.0 attribute. Characters that XML can't hold are left out. */
function escaped(value: string): string {
  const allowed = value.toWellFormed().replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '');
  return allowed.replace(/[&<>"\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}
