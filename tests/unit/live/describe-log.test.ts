import { expect, test } from 'vitest';
import { describeLog } from '#lib/live/describe-log.ts';
import type { LiveEvent, LiveEventBody } from '#lib/live/events.ts';
import type { ClipView, VideoView } from '#lib/live/views.ts';

const VIDEO: VideoView = {
  id: 1,
  title: 'Film',
  fileName: 'film.mp4',
  sourceUrl: null,
  state: 'downloaded',
  failedStage: null,
  error: null,
  width: null,
  height: null,
  frameRate: null,
  frameCount: null,
  durationMs: null,
  sourceFacts: null,
  isMasterRestoring: false,
  hasThumbnail: false,
  createdAt: '2026-01-01T00:00:00Z',
  clipCounts: { pending: 0, approved: 0, skipped: 0, archived: 0 },
  stages: [],
};
const clip = (startFrame: number): ClipView => ({
  id: 1 + startFrame,
  videoId: 1,
  startFrame,
  endFrame: startFrame + 25,
  state: 'pending',
  groupId: null,
  version: 1,
  decidedBy: null,
  decidedAt: null,
  exportState: 'none',
  exportError: null,
  tags: [],
  ratings: [],
  stills: null,
});
const story = (...bodies: LiveEventBody[]) =>
  describeLog(
    bodies.map((body, index): LiveEvent => ({ ...body, topic: 'video:1', seq: index + 1, actorId: null, at: '2026-01-01T00:00:00.000Z' })),
    { num: 25, den: 1 },
  ).map((line) => line.text);
const video = (change: Partial<VideoView>): LiveEventBody => ({ type: 'video-changed', payload: { video: { ...VIDEO, ...change } } });
const clips = (cause: string, ...views: ClipView[]): LiveEventBody => ({
  type: 'clips-changed',
  payload: { videoId: 1, cause, actorName: 'Ann', removedClipIds: [], clips: views },
});

test('a video’s way is told in words, newest first', () => {
  const lines = story(
    video({}),
    video({ state: 'encoding' }),
    video({ state: 'encoded', width: 1280, height: 720, durationMs: 17_000 }),
    clips('scenes-detected', clip(0), clip(25)),
    video({ state: 'ready', clipCounts: { pending: 2, approved: 0, skipped: 0, archived: 0 } }),
  );
  expect(lines).toEqual([
    'Ready to review: 2 clips.',
    '1 cut found.',
    'Encoded: 1280×720, 0:17 long.',
    'Encoding began.',
    'film.mp4 has arrived and waits to be encoded.',
  ]);
});

test('a decision is told once, with who and where; the counts that it changed are not', () => {
  expect(story(video({ state: 'ready' }), clips('approve', clip(25)), video({ state: 'ready' }))[0]).toBe(
    'Ann approved the clip at 00:00:01:00.',
  );
  expect(story(clips('split', clip(0), clip(25)))).toEqual(['Ann split the clip at 00:00:01:00.']);
  expect(story(clips('export-started', clip(0)))).toEqual([]);
});

test('a failure says which stage and why, and a retry that it is one', () => {
  const lines = story(video({ state: 'failed', failedStage: 'encode', error: 'The file is damaged.' }), video({ state: 'downloaded' }));
  expect(lines).toEqual(['Tried again: waits to be encoded.', 'Encode failed: The file is damaged.']);
});
