import { describe, expect, it } from 'vitest';
import { decide, innerCutFrames, type LiveClip } from '#lib/core/review.ts';

const previous: LiveClip = { id: 1, startFrame: 0, endFrame: 50, state: 'pending', groupId: null, version: 3 };
const clip: LiveClip = { id: 2, startFrame: 50, endFrame: 80, state: 'pending', groupId: null, version: 7 };
const on = { clipId: 2, version: 7 };

describe('a decision', () => {
  it.each([
    ['approve', 'approved'],
    ['skip', 'skipped'],
    ['archive', 'archived'],
    ['reopen', 'pending'],
  ] as const)('%s leaves the clip %s', (kind, state) => {
    expect(decide({ kind, ...on }, clip, previous)).toEqual({
      kind: 'ok',
      change: { before: [clip], after: [{ ...clip, state }] },
    });
  });

  it('on an old version is a conflict', () => {
    expect(decide({ kind: 'approve', clipId: 2, version: 6 }, clip, previous)).toEqual({ kind: 'conflict' });
  });
});

describe('a split', () => {
  it('makes two pending clips that share the frame', () => {
    const outcome = decide({ kind: 'split', atFrame: 60, ...on }, { ...clip, state: 'approved' }, previous);
    expect(outcome).toMatchObject({
      change: {
        after: [
          { id: null, startFrame: 50, endFrame: 60, state: 'pending' },
          { id: null, startFrame: 60, endFrame: 80, state: 'pending' },
        ],
      },
    });
  });

  it.each([50, 80, 0, 200])('at frame %i is refused: each half needs a frame', (atFrame) => {
    expect(decide({ kind: 'split', atFrame, ...on }, clip, previous).kind).toBe('refused');
  });
});

describe('the boundary to the previous clip', () => {
  it('goes in a merge', () => {
    const outcome = decide({ kind: 'merge', ...on }, clip, previous);
    expect(outcome).toMatchObject({ change: { before: [previous, clip], after: [{ id: null, startFrame: 0, endFrame: 80 }] } });
  });

  it('moves, but never past a neighbour', () => {
    expect(decide({ kind: 'move-cut', byFrames: -49, ...on }, clip, previous)).toMatchObject({
      change: { after: [{ endFrame: 1 }, { startFrame: 1 }] },
    });
    expect(decide({ kind: 'move-cut', byFrames: -50, ...on }, clip, previous).kind).toBe('refused');
    expect(decide({ kind: 'move-cut', byFrames: 30, ...on }, clip, previous).kind).toBe('refused');
  });

  it('is needed: the first clip has none', () => {
    for (const kind of ['merge', 'group'] as const) expect(decide({ kind, ...on }, clip, null).kind).toBe('refused');
  });

  it('stays in a group, which approves both and takes in a third', () => {
    const outcome = decide({ kind: 'group', ...on }, clip, { ...previous, groupId: 9 });
    expect(outcome).toMatchObject({
      change: {
        after: [
          { state: 'approved', groupId: 9 },
          { state: 'approved', groupId: 9 },
        ],
      },
    });
  });
});

it('inner cuts are the boundaries between clips', () => {
  expect(innerCutFrames([previous, clip])).toEqual([50]);
});
