import { spanLength, type FrameSpan } from '#lib/core/cuts.ts';
import { framesPerSecond, type FrameRate } from '#lib/core/frame-rate.ts';
import { sourceFrame, type CutEvent, type CutList, type Written } from '#lib/core/interchange/cut-list.ts';

/**
 * A list as OpenTimelineIO JSON: one track of clips, each at its source's own rate and timecode, with its
 * comments as markers and its decision as metadata. Source: OpenTimelineIO, “File Format Specification”.
 */
export function writeOtio(list: CutList): Written {
  const track = {
    OTIO_SCHEMA: 'Track.1',
    name: 'Clips',
    kind: 'Video',
    children: list.events.map(clip),
    ...EMPTY,
  };
  const timeline = {
    OTIO_SCHEMA: 'Timeline.1',
    name: list.title,
    metadata: {},
    global_start_time: null,
    tracks: { OTIO_SCHEMA: 'Stack.1', name: 'tracks', children: [track], ...EMPTY },
  };
  return { kind: 'ok', text: `${JSON.stringify(timeline, null, 2)}\n` };
}

const EMPTY = { source_range: null, effects: [], markers: [], enabled: true, metadata: {} };

const MARKER_COLOURS = { approved: 'GREEN', skipped: 'YELLOW', archived: 'RED', pending: 'CYAN' } as const;

function clip(event: CutEvent) {
  const { source, clipId, state, tags, stars, decidedBy, decidedAt } = event;
  const available = { startFrame: 0, endFrame: source.frameCount };
  return {
    OTIO_SCHEMA: 'Clip.1',
    name: event.name,
    source_range: timeRange(event, event),
    media_reference: {
      OTIO_SCHEMA: 'ExternalReference.1',
      name: source.title,
      available_range: timeRange(event, available),
      metadata: {},
      target_url: encodeURI(source.fileName),
    },
    effects: [],
    enabled: true,
    markers: event.markers.map((marker) => ({
      OTIO_SCHEMA: 'Marker.2',
      name: `${marker.author}: ${marker.text}`,
      color: MARKER_COLOURS[state],
      marked_range: timeRange(event, marker),
      metadata: { heaters: { author: marker.author, text: marker.text } },
    })),
    metadata: { heaters: { clipId, videoId: source.videoId, state, tags, stars, decidedBy, decidedAt } },
  };
}

function timeRange(event: CutEvent, span: FrameSpan) {
  const { timebase } = event.source;
  return {
    OTIO_SCHEMA: 'TimeRange.1',
    start_time: rationalTime(sourceFrame(event, span.startFrame), timebase),
    duration: rationalTime(spanLength(span), timebase),
  };
}

function rationalTime(value: number, rate: FrameRate) {
  return { OTIO_SCHEMA: 'RationalTime.1', rate: framesPerSecond(rate), value };
}
