import type { ClipState } from '#lib/core/review.ts';
import { spanLength, type FrameSpan } from '#lib/core/cuts.ts';
import type { Timebase } from '#lib/core/frame-rate.ts';

/** A film that clips come from, as an editor has it. */
export interface CutSource {
  readonly videoId: number;
  readonly title: string;
  readonly fileName: string;
  readonly timebase: Timebase;
  readonly frameCount: number;
  readonly width: number;
  readonly height: number;
  readonly hasAudio: boolean;
}

/** A comment on a frame, or on a range of frames, of a source. */
export interface CutMarker extends FrameSpan {
  readonly text: string;
  readonly author: string;
}

/** A clip in the order of the list. Frames count from the source's first one. */
export interface CutEvent extends FrameSpan {
  readonly clipId: number;
  readonly source: CutSource;
  readonly name: string;
  readonly state: ClipState;
  readonly tags: readonly string[];
  /** The mean of all ratings; null for none. */
  readonly stars: number | null;
  readonly decidedBy: string | null;
  readonly decidedAt: string | null;
  readonly markers: readonly CutMarker[];
}

/** Clips one after another, for another program to open. */
export interface CutList {
  readonly title: string;
  readonly events: readonly CutEvent[];
}

/** A list as text, or in a sentence why the format can't hold it. */
export type Written = { readonly kind: 'ok'; readonly text: string } | { readonly kind: 'refused'; readonly message: string };

/** Formats that a list can be written in. */
export const CUT_LIST_FORMATS = ['otio', 'edl', 'fcpxml', 'csv'] as const;
export type CutListFormat = (typeof CUT_LIST_FORMATS)[number];

/** A frame of a source as its own timecode counts it, from midnight. */
export function sourceFrame(event: CutEvent, frame: number): number {
  return frame + (event.source.timebase.startTimecodeFrame ?? 0);
}

/** Where each event begins in the list, in frames, and where the last one ends. */
export function recordFrames(events: readonly CutEvent[]): number[] {
  const edges = [0];
  for (const event of events) edges.push(edges.at(-1)! + spanLength(event));
  return edges;
}

/** The one rate at which all frames count, or why there is none. */
export function commonTimebase(list: CutList): { kind: 'ok'; timebase: Timebase } | { kind: 'refused'; message: string } {
  const [first, ...others] = list.events.map((event) => event.source.timebase);
  if (first === undefined) return { kind: 'refused', message: 'There is no clip to put on the list: approve some, or choose all clips.' };
  const other = others.find(({ num, den }) => num * first.den !== den * first.num);
  if (other === undefined) return { kind: 'ok', timebase: first };
  return {
    kind: 'refused',
    message: 'The videos have different frame rates, which this format can’t hold: choose OTIO or CSV, or export each video by itself.',
  };
}

/** The sources of a list, each once, in the order of their first clips. */
export function sourcesOf(list: CutList): CutSource[] {
  return [...new Map(list.events.map(({ source }) => [source.videoId, source])).values()];
}

/** Text on one line: what formats that go by lines can hold. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
