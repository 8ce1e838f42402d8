import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyReply,
  applySignalToLibrary,
  applySignalToVideo,
  applyToLibrary,
  applyToVideo,
  type VideoSnapshot,
} from '#lib/live/apply-event.ts';
import type { LiveEvent } from '#lib/live/events.ts';
import type { ClipView, StageView, VideoView } from '#lib/live/views.ts';

const at = '2026-01-01T00:00:00.000Z';

function stage(change: Partial<StageView> = {}): StageView {
  return {
    videoId: 1,
    itemId: 1,
    stage: 'encode',
    state: 'running',
    attempt: 1,
    percent: 10,
    fps: 30,
    etaMs: 1000,
    error: null,
    ...change,
  };
}

function video(id: number, change: Partial<VideoView> = {}): VideoView {
  return {
    id,
    title: `Video ${id}`,
    fileName: 'a.mp4',
    sourceUrl: null,
    state: 'ready',
    failedStage: null,
    error: null,
    width: 640,
    height: 360,
    frameRate: { num: 25, den: 1 },
    frameCount: 1000,
    durationMs: 40_000,
    sourceFacts: null,
    isMasterRestoring: false,
    hasThumbnail: true,
    createdAt: at,
    clipCounts: { pending: 0, approved: 0, skipped: 0, archived: 0 },
    stages: [],
    ...change,
  };
}

function clip(id: number, version: number, change: Partial<ClipView> = {}): ClipView {
  return {
    id,
    videoId: 1,
    startFrame: id * 10,
    endFrame: id * 10 + 10,
    state: 'pending',
    groupId: null,
    version,
    decidedBy: null,
    decidedAt: null,
    exportState: 'none',
    exportError: null,
    tags: [],
    ratings: [],
    stills: null,
    ...change,
  };
}

function snapshot(clips: ClipView[], change: Partial<VideoSnapshot> = {}): VideoSnapshot {
  return {
    video: video(1),
    clips,
    stages: [],
    log: [],
    comments: [],
    drawings: [],
    seq: 0,
    replaced: new Map(),
    isRemoved: false,
    ...change,
  };
}

function clipsChanged(seq: number, clips: ClipView[], removedClipIds: number[] = []): LiveEvent {
  return {
    topic: 'video:1',
    seq,
    actorId: 1,
    at,
    type: 'clips-changed',
    payload: { videoId: 1, cause: 'approve', actorName: 'Ana', removedClipIds, clips },
  };
}

function videoChanged(seq: number, changed: VideoView): LiveEvent {
  return { topic: 'library', seq, actorId: null, at, type: 'video-changed', payload: { video: changed } };
}

describe('the library', () => {
  test('shows a new video first and a removed one no more', () => {
    let library = { videos: [video(1)], seq: 4 } as Parameters<typeof applyToLibrary>[0];
    library = applyToLibrary(library, videoChanged(5, video(2, { createdAt: '2026-01-02T00:00:00.000Z' })));
    expect(library.videos.map((known) => known.id)).toEqual([2, 1]);
    library = applyToLibrary(library, { topic: 'library', seq: 6, actorId: null, at, type: 'video-removed', payload: { videoId: 1 } });
    expect(library.videos.map((known) => known.id)).toEqual([2]);
  });

  test('ignores events that its data includes already', () => {
    const library = { videos: [video(1, { title: 'New' })], seq: 5 };
    expect(applyToLibrary(library, videoChanged(5, video(1, { title: 'Old' })))).toBe(library);
  });

  test('ignores event types that it does not know', () => {
    const unknown = { ...videoChanged(1, video(1)), type: 'invented' } as unknown as LiveEvent;
    expect(applyToLibrary({ videos: [], seq: 0 }, unknown)).toEqual({ videos: [], seq: 1 });
  });

  test('puts progress into the stage of its video, and not back to less', () => {
    const library = { videos: [video(1, { stages: [stage()] })], seq: 0 };
    const later = applySignalToLibrary(library, { topic: 'library', type: 'progress', payload: stage({ percent: 60 }) });
    expect(later.videos[0]?.stages[0]?.percent).toBe(60);
    const late = applySignalToLibrary(later, { topic: 'library', type: 'progress', payload: stage({ percent: 50 }) });
    expect(late.videos[0]?.stages[0]?.percent).toBe(60);
    const retried = applySignalToLibrary(late, { topic: 'library', type: 'progress', payload: stage({ percent: 5, attempt: 2 }) });
    expect(retried.videos[0]?.stages[0]?.percent).toBe(5);
  });
});

describe('a video', () => {
  test('keeps the tags that came after a decision when its reply comes late', () => {
    const tagged = clip(1, 2, { state: 'approved', tags: ['funny'] });
    const state = applyToVideo(snapshot([clip(1, 1)]), clipsChanged(1, [tagged], []));
    const late = applyReply(state, { clips: [clip(1, 2, { state: 'approved' })], removedClipIds: [] });
    expect(late.clips).toEqual([tagged]);
  });

  test('keeps clips in source order through a split and its undo', () => {
    let state = snapshot([clip(1, 1), clip(2, 1)]);
    const halves = [clip(8, 1, { startFrame: 10, endFrame: 15 }), clip(9, 1, { startFrame: 15, endFrame: 20 })];
    state = applyToVideo(state, clipsChanged(1, halves, [1]));
    expect(state.clips.map((known) => known.id)).toEqual([8, 9, 2]);
    state = applyToVideo(state, clipsChanged(2, [clip(1, 3)], [8, 9]));
    expect(state.clips.map((known) => known.id)).toEqual([1, 2]);
    expect(state.log.map((entry) => entry.seq)).toEqual([1, 2]);
  });

  test('does not go back to an older version of a clip', () => {
    const state = applyToVideo(snapshot([clip(1, 5, { state: 'approved' })]), clipsChanged(1, [clip(1, 4)]));
    expect(state.clips[0]).toMatchObject({ version: 5, state: 'approved' });
  });

  test('a late reply does not bring back a clip that an event has replaced', () => {
    const merged = clip(7, 1, { startFrame: 10, endFrame: 30 });
    const state = applyToVideo(snapshot([clip(1, 2), clip(2, 1)]), clipsChanged(1, [merged], [1, 2]));
    const after = applyReply(state, { clips: [clip(1, 2)], removedClipIds: [] });
    expect(after.clips.map((known) => known.id)).toEqual([7]);
  });

  test('a reply ahead of its event ends in the same clips', () => {
    const before = snapshot([clip(1, 1), clip(2, 1)]);
    const change = { clips: [clip(7, 1, { startFrame: 10, endFrame: 30 })], removedClipIds: [1, 2] };
    const byEvent = applyToVideo(before, clipsChanged(1, change.clips, change.removedClipIds));
    const byBoth = applyToVideo(applyReply(before, change), clipsChanged(1, change.clips, change.removedClipIds));
    expect(byBoth.clips).toEqual(byEvent.clips);
  });

  test('an undo whose reply overtakes the event of what it undid ends with the clip back', () => {
    const merge = clipsChanged(1, [clip(7, 1, { startFrame: 10, endFrame: 30 })], [1, 2]);
    const undo = { clips: [clip(1, 3), clip(2, 3)], removedClipIds: [7] };
    let state = applyReply(snapshot([clip(1, 1), clip(2, 1)]), undo);
    state = applyToVideo(state, merge);
    state = applyToVideo(state, clipsChanged(2, undo.clips, undo.removedClipIds));
    expect(state.clips.map((known) => [known.id, known.version])).toEqual([
      [1, 3],
      [2, 3],
    ]);
  });

  test('leaves out events and signals of other videos', () => {
    const state = snapshot([clip(1, 1)], { stages: [stage()] });
    expect(applyToVideo(state, { ...clipsChanged(1, []), topic: 'video:2' })).toBe(state);
    expect(applySignalToVideo(state, { topic: 'video:1', type: 'progress', payload: stage({ itemId: 44, stage: 'export' }) })).toBe(state);
  });

  test('any stretch of events applied again changes nothing', () => {
    const changes = fc.array(
      fc.record({
        ids: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 3 }),
        removed: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 2 }),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(changes, fc.nat(20), fc.nat(20), (list, from, to) => {
        const events = list.map(({ ids, removed }, index) =>
          clipsChanged(
            index + 1,
            ids.map((id) => clip(id, index + 2)),
            removed.filter((id) => !ids.includes(id)),
          ),
        );
        const once = events.reduce(applyToVideo, snapshot([clip(1, 1)]));
        const again = events.slice(Math.min(from, to), Math.max(from, to)).reduce(applyToVideo, once);
        expect(again).toEqual(once);
        const starts = once.clips.map((known) => known.startFrame);
        expect(starts).toEqual([...starts].sort((a, b) => a - b));
      }),
    );
  });
});
