import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import type { CommentView, DrawingView } from '#lib/live/talk-views.ts';
import { videoTopic } from '#lib/live/topics.ts';
import type { ClipCounts, ClipView, StageView, VideoView } from '#lib/live/views.ts';

/** How many log entries a page keeps. */
export const MAX_LOG = 200;

/** A page's library: newest video first, as it was after event `seq` of the library. */
export interface LibrarySnapshot {
  readonly videos: readonly VideoView[];
  readonly seq: number;
}

/** A video's page after event `seq` of its topic. `clips` are the live ones in source order; `log` is oldest first. */
export interface VideoData {
  readonly video: VideoView;
  readonly clips: readonly ClipView[];
  readonly stages: readonly StageView[];
  readonly log: readonly LiveEvent[];
  /** In the order of the film, then of their making. */
  readonly comments: readonly CommentView[];
  readonly drawings: readonly DrawingView[];
  readonly seq: number;
}

/** A video's page as it has become since it was loaded. */
export interface VideoSnapshot extends VideoData {
  /** Clips that were replaced, with the version that this made: a late reply can't bring them back. */
  readonly replaced: ReadonlyMap<number, number>;
  /** Whether the video has been deleted. */
  readonly isRemoved: boolean;
}

/** What is new about a topic's clips, by an event or in the reply to a command. */
export interface ClipsDelta {
  readonly clips: readonly ClipView[];
  readonly removedClipIds: readonly number[];
}

/** Applies an event to the library. Applying it twice changes nothing; unknown types are ignored. */
export function applyToLibrary(library: LibrarySnapshot, event: LiveEvent): LibrarySnapshot {
  if (event.topic !== 'library' || event.seq <= library.seq) return library;
  const { seq } = event;
  switch (event.type) {
    case 'video-changed':
      return { videos: upsertVideo(library.videos, event.payload.video), seq };
    case 'video-removed':
      return { videos: library.videos.filter((video) => video.id !== event.payload.videoId), seq };
    default:
      return { ...library, seq };
  }
}

/** Puts a progress signal into the stage of its video; other signals change nothing. */
export function applySignalToLibrary(library: LibrarySnapshot, signal: LiveSignal): LibrarySnapshot {
  if (signal.type !== 'progress') return library;
  const stage = signal.payload;
  return {
    ...library,
    videos: library.videos.map((video) =>
      video.id === stage.videoId && stage.itemId === video.id && video.stages.some((known) => known.stage === stage.stage)
        ? { ...video, stages: upsertStage(video.stages, stage) }
        : video,
    ),
  };
}

/** Applies an event to a video's page. Applying it twice changes nothing; unknown types are ignored. */
export function applyToVideo(snapshot: VideoSnapshot, event: LiveEvent): VideoSnapshot {
  if (event.topic !== videoTopic(snapshot.video.id) || event.seq <= snapshot.seq) return snapshot;
  const log = [...snapshot.log.filter((entry) => entry.seq !== event.seq), event].slice(-MAX_LOG);
  return { ...withEventApplied(snapshot, event), seq: event.seq, log };
}

/** Puts a progress signal into the video's stages; other signals change nothing. */
export function applySignalToVideo(snapshot: VideoSnapshot, signal: LiveSignal): VideoSnapshot {
  if (signal.type !== 'progress' || signal.payload.videoId !== snapshot.video.id) return snapshot;
  // Clip stages share the signal; a clip's id may equal the video's, so the stage tells them apart.
  if (!snapshot.stages.some((known) => isSameStage(known, signal.payload))) return snapshot;
  return { ...snapshot, stages: upsertStage(snapshot.stages, signal.payload) };
}

/**
 * Applies the reply to a command, which may come before its event or after later ones: a clip
 * that an event has replaced meanwhile stays away unless the reply knows a newer version of it, and
 * one of the version that is known keeps the tags and stars that later events gave it.
 */
export function applyReply(snapshot: VideoSnapshot, reply: ClipsDelta): VideoSnapshot {
  const known = new Map([...snapshot.replaced, ...snapshot.clips.map((clip) => [clip.id, clip.version] as const)]);
  const clips = reply.clips.filter((clip) => clip.version > (known.get(clip.id) ?? 0));
  return withClips(snapshot, { clips, removedClipIds: reply.removedClipIds });
}

function withClips(snapshot: VideoSnapshot, delta: ClipsDelta): VideoSnapshot {
  const live = new Map(snapshot.clips.map((clip) => [clip.id, clip]));
  const replaced = new Map(snapshot.replaced);
  for (const id of delta.removedClipIds) {
    const before = live.get(id);
    if (before !== undefined) replaced.set(id, before.version + 1);
    live.delete(id);
  }
  for (const clip of delta.clips) {
    if (clip.videoId !== snapshot.video.id) continue;
    const before = live.get(clip.id);
    if (before !== undefined && clip.version < before.version) continue;
    // Undo brings a replaced clip back under its own id.
    live.set(clip.id, clip);
    replaced.delete(clip.id);
  }
  const clips = [...live.values()].sort((a, b) => a.startFrame - b.startFrame || a.id - b.id);
  return { ...snapshot, video: { ...snapshot.video, clipCounts: countByState(clips) }, clips, replaced };
}

function countByState(clips: readonly ClipView[]): ClipCounts {
  const counts = { pending: 0, approved: 0, skipped: 0, archived: 0 };
  for (const clip of clips) counts[clip.state] += 1;
  return counts;
}

function withEventApplied(snapshot: VideoSnapshot, event: LiveEvent): VideoSnapshot {
  switch (event.type) {
    case 'video-changed': {
      const { video } = event.payload;
      return video.id === snapshot.video.id ? { ...snapshot, video, stages: mergeStages(snapshot.stages, video.stages) } : snapshot;
    }
    case 'video-removed':
      return event.payload.videoId === snapshot.video.id ? { ...snapshot, isRemoved: true } : snapshot;
    case 'clips-changed':
      return event.payload.videoId === snapshot.video.id ? withClips(snapshot, event.payload) : snapshot;
    case 'comment-changed': {
      const { comment } = event.payload;
      const others = snapshot.comments.filter((known) => known.id !== comment.id);
      return { ...snapshot, comments: comment.isDeleted ? others : [...others, comment].sort(byPlace) };
    }
    case 'drawing-added': {
      const { drawing } = event.payload;
      return { ...snapshot, drawings: [...snapshot.drawings.filter((known) => known.id !== drawing.id), drawing] };
    }
    case 'drawings-removed':
      return { ...snapshot, drawings: snapshot.drawings.filter((known) => !event.payload.drawingIds.includes(known.id)) };
    default:
      return snapshot;
  }
}

/** As `commentViews` orders them: of two made in the same millisecond, ids decide. */
function byPlace(one: CommentView, other: CommentView): number {
  return one.startFrame - other.startFrame || Date.parse(one.createdAt) - Date.parse(other.createdAt) || (one.id < other.id ? -1 : 1);
}

function upsertVideo(videos: readonly VideoView[], video: VideoView): VideoView[] {
  const before = videos.find((known) => known.id === video.id);
  const merged = before === undefined ? video : { ...video, stages: mergeStages(before.stages, video.stages) };
  return [...videos.filter((known) => known.id !== video.id), merged].sort(
    (a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt) || b.id - a.id,
  );
}

/** The stages of an event, which may be older than the progress that signals brought meanwhile. */
function mergeStages(known: readonly StageView[], incoming: readonly StageView[]): StageView[] {
  return incoming.map((stage) => {
    const before = known.find((other) => isSameStage(other, stage));
    return before === undefined ? stage : newerStage(before, stage);
  });
}

function upsertStage(stages: readonly StageView[], stage: StageView): StageView[] {
  return stages.map((known) => (isSameStage(known, stage) ? newerStage(known, stage) : known));
}

/** Of two readings the one further on; within a running attempt, percent only rises. */
function newerStage(before: StageView, after: StageView): StageView {
  const isLate =
    before.state === 'running' &&
    after.state === 'running' &&
    before.attempt === after.attempt &&
    (after.percent ?? 0) < (before.percent ?? 0);
  return isLate ? before : after;
}

function isSameStage(a: StageView, b: StageView): boolean {
  return a.stage === b.stage && a.itemId === b.itemId;
}
