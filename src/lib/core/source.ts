/** What a source was before it was encoded, for people. */
export interface SourceSummary {
  readonly container: string;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly isHdr: boolean;
  readonly isInterlaced: boolean;
  readonly audioTrackCount: number;
  /** The timecode that it begins with; null for none. */
  readonly timecode: string | null;
}

/** What is kept of a source with its video: what it was, and how its timecode counts. */
export interface EncodedSource extends SourceSummary {
  readonly startTimecodeFrame: number;
  /** Null where the source does not say. */
  readonly isDropFrame: boolean | null;
}

/** A source in a line: `mov · ProRes · 1920×1080 · interlaced · 2 audio tracks · starts at 01:00:00:00`. */
export function describeSource({ container, codec, width, height, ...source }: SourceSummary): string {
  const tracks = source.audioTrackCount;
  return [
    container,
    codec,
    `${width}×${height}`,
    ...(source.isHdr ? ['HDR'] : []),
    ...(source.isInterlaced ? ['interlaced'] : []),
    tracks === 0 ? 'no sound' : tracks === 1 ? '1 audio track' : `${tracks} audio tracks`,
    ...(source.timecode === null ? [] : [`starts at ${source.timecode}`]),
  ].join(' · ');
}
