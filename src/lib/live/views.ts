import type { ClipState } from '#lib/core/review.ts';
import type { Timebase } from '#lib/core/frame-rate.ts';
import type { SourceSummary } from '#lib/core/source.ts';
import type { StageName } from '#lib/jobs/stages.ts';

/** Roles, from the most to the least powerful. */
export const ROLES = ['admin', 'reviewer', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

export type VideoState = 'downloading' | 'downloaded' | 'encoding' | 'encoded' | 'detecting' | 'ready' | 'failed';
export type ExportState = 'none' | 'queued' | 'exporting' | 'exported' | 'failed';

/** The pictures that represent a clip; their URLs are `stillUrl`'s. */
export interface StillsView {
  readonly count: number;
  /** How many pictures the strip has beside one another. */
  readonly tileCount: number;
  /** Of the largest, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Shown until a picture has loaded. */
  readonly blurhash: string;
}

/** Where a picture of a clip is: `0.webp` and on, `0-small.webp` and on, or `strip.webp`. Another URL when its frames are others. */
export function stillUrl(clip: Pick<ClipView, 'id' | 'startFrame' | 'endFrame'>, name: string): string {
  return `/clips/${clip.id}/stills/${clip.startFrame}-${clip.endFrame}/${name}`;
}

/** A clip as every screen sees it. */
export interface ClipView {
  readonly id: number;
  readonly videoId: number;
  readonly startFrame: number;
  readonly endFrame: number;
  readonly state: ClipState;
  readonly groupId: number | null;
  readonly version: number;
  readonly decidedBy: { readonly id: number; readonly name: string } | null;
  readonly decidedAt: string | null;
  readonly exportState: ExportState;
  readonly exportError: string | null;
  readonly tags: readonly string[];
  readonly ratings: readonly { readonly userId: number; readonly stars: number }[];
  /** Null until they are made. */
  readonly stills: StillsView | null;
}

/** How many live clips of a video are in each state. */
export type ClipCounts = Readonly<Record<ClipState, number>>;

/** How one stage of a video, or of one of its clips, stands. */
export interface StageView {
  readonly videoId: number;
  readonly itemId: number;
  readonly stage: StageName;
  readonly state: 'queued' | 'running' | 'done' | 'failed';
  readonly attempt: number;
  readonly percent: number | null;
  readonly fps: number | null;
  readonly etaMs: number | null;
  readonly error: string | null;
}

/** A video as the library shows it. `stages` holds the video's own stages, not its clips'. */
export interface VideoView {
  readonly id: number;
  readonly title: string;
  readonly fileName: string;
  readonly sourceUrl: string | null;
  readonly state: VideoState;
  readonly failedStage: StageName | null;
  readonly error: string | null;
  readonly width: number | null;
  readonly height: number | null;
  /** How its frames are counted; null until it is known. */
  readonly frameRate: Timebase | null;
  /** What the source was; null until it is encoded. */
  readonly sourceFacts: SourceSummary | null;
  readonly frameCount: number | null;
  readonly durationMs: number | null;
  readonly hasThumbnail: boolean;
  /** Whether its master is on its way back from the archive. */
  readonly isMasterRestoring: boolean;
  readonly createdAt: string;
  readonly clipCounts: ClipCounts;
  readonly stages: readonly StageView[];
}
