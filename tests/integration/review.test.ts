import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { spansBetweenCuts } from '#lib/core/cuts.ts';
import type { ReviewCommandKind } from '#lib/core/review.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { undoDecision } from '#lib/server/features/undo.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { cutFramesInside } from '#lib/server/stores/cuts.ts';
import { eventsAfter } from '#lib/server/stores/outbox.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

const FRAME_COUNT = 100;
let env: TestEnvironment;
let ann: Actor;
let bob: Actor;
let videoId: number;

beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  bob = await env.addPerson('Bob', 'reviewer');
});
afterAll(() => env.close());

beforeEach(async () => {
  videoId = await addVideo([20, 50]);
});

const addVideo = (cutFrames: number[]) => env.addVideo(ann, FRAME_COUNT, cutFrames);
const spans = async (id = videoId) => (await clipsOfVideo(env.sql, id)).map((clip) => [clip.startFrame, clip.endFrame, clip.state]);
const clipAt = async (index: number) => (await clipsOfVideo(env.sql, videoId))[index]!;
const send = (actor: Actor, clip: { id: number; version: number }, kind: ReviewCommandKind, extra = {}, commandId: string = randomUUID()) =>
  reviewClip(env.sql, actor, { commandId, clipId: clip.id, version: clip.version, kind, ...extra } as never);
const undo = (actor: Actor, direction: 'undo' | 'redo' = 'undo') =>
  undoDecision(env.sql, actor, { commandId: randomUUID(), scope: { kind: 'video', videoId }, direction });

describe('a decision', () => {
  it('changes the clip, tells everyone in one event each, and orders the export', async () => {
    const reply = await send(ann, await clipAt(1), 'approve');
    expect(reply).toMatchObject({ kind: 'ok', clips: [{ state: 'approved', decidedBy: { name: 'Ann' } }], removedClipIds: [] });
    const events = await eventsAfter(env.sql, `video:${videoId}`, 0, 100);
    expect(events.map((event) => event.type)).toEqual(['clips-changed']);
    expect((await eventsAfter(env.sql, 'library', 0, 1_000)).at(-1)).toMatchObject({
      type: 'video-changed',
      payload: { video: { id: videoId } },
    });
    const [job] = await env.sql`select data from pgboss.job where name = 'exports' and data ->> 'videoId' = ${String(videoId)}`;
    expect(job?.data).toMatchObject({ stage: 'export' });
  });

  it('sent twice counts once', async () => {
    const clip = await clipAt(0);
    const commandId = randomUUID();
    const first = await send(ann, clip, 'skip', {}, commandId);
    expect(await send(ann, clip, 'skip', {}, commandId)).toEqual(first);
    expect(await env.sql`select from decisions where command_id = ${commandId}`).toHaveLength(1);
  });

  it('by two people at once: one wins, the other is told who', async () => {
    const clip = await clipAt(0);
    const replies = await Promise.all([send(ann, clip, 'approve'), send(bob, clip, 'archive')]);
    expect(replies.map((reply) => reply.kind).toSorted()).toEqual(['conflict', 'ok']);
    const lost = replies.find((reply) => reply.kind === 'conflict');
    expect(lost).toMatchObject({ current: { decidedBy: { name: expect.stringMatching(/Ann|Bob/) } } });
  });

  it('by a viewer is refused', async () => {
    const eve = await env.addPerson(`Eve${videoId}`, 'viewer');
    expect(await send(eve, await clipAt(0), 'approve')).toMatchObject({ kind: 'refused' });
    expect((await clipAt(0)).state).toBe('pending');
  });
});

describe('the structure', () => {
  it('splits, moves and merges, with the cuts in step', async () => {
    await send(ann, await clipAt(1), 'split', { atFrame: 30 });
    expect(await spans()).toEqual([
      [0, 20, 'pending'],
      [20, 30, 'pending'],
      [30, 50, 'pending'],
      [50, 100, 'pending'],
    ]);
    await send(ann, await clipAt(2), 'move-cut', { byFrames: 5 });
    await send(ann, await clipAt(3), 'merge');
    expect(await spans()).toEqual([
      [0, 20, 'pending'],
      [20, 35, 'pending'],
      [35, 100, 'pending'],
    ]);
    expect(await cutFramesInside(env.sql, videoId, { startFrame: 0, endFrame: FRAME_COUNT })).toEqual([20, 35]);
  });

  it('can’t hold a gap or an overlap: the database refuses', async () => {
    const clip = await clipAt(1);
    await expect(env.sql`update clips set end_frame = end_frame - 1 where id = ${clip.id}`).rejects.toThrow(/do not partition/);
    await expect(env.sql`update clips set end_frame = end_frame + 1 where id = ${clip.id}`).rejects.toThrow(/clips_never_overlap/);
    await expect(env.sql`delete from cuts where video_id = ${videoId}`).rejects.toThrow(/do not partition/);
  });
});

describe('undo', () => {
  it('brings back what was, and redo what had been', async () => {
    await send(ann, await clipAt(0), 'approve');
    await send(ann, await clipAt(1), 'merge');
    const merged = await spans();
    expect(await undo(ann)).toMatchObject({ kind: 'ok', summary: 'Undone: merge' });
    expect(await spans()).toEqual([
      [0, 20, 'approved'],
      [20, 50, 'pending'],
      [50, 100, 'pending'],
    ]);
    expect(await undo(ann, 'redo')).toMatchObject({ kind: 'ok' });
    expect(await spans()).toEqual(merged);
    await undo(ann);
    await undo(ann);
    expect((await spans()).every(([, , state]) => state === 'pending')).toBe(true);
    expect(await undo(ann)).toMatchObject({ kind: 'refused' });
  });

  it('is one’s own, and never takes away what someone built on it', async () => {
    await send(ann, await clipAt(0), 'approve');
    expect(await undo(bob)).toMatchObject({ kind: 'refused' });
    await send(bob, await clipAt(0), 'archive');
    expect(await undo(ann)).toMatchObject({ kind: 'conflict', current: { state: 'archived' } });
    expect((await clipAt(0)).state).toBe('archived');
  });
});

it('any interleaving of commands and undos keeps the partition and gap-free events', async () => {
  const command = fc.record({
    who: fc.constantFrom(0, 1),
    index: fc.nat(8),
    kind: fc.constantFrom('approve', 'skip', 'archive', 'reopen', 'group', 'merge', 'split', 'move-cut', 'undo', 'redo'),
    at: fc.integer({ min: 1, max: FRAME_COUNT - 1 }),
    by: fc.integer({ min: -12, max: 12 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 20 }), async (commands) => {
      videoId = await addVideo([20, 50]);
      for (const { who, index, kind, at, by } of commands) {
        const actor = [ann, bob][who]!;
        if (kind === 'undo' || kind === 'redo') {
          await undo(actor, kind);
          continue;
        }
        const clips = await clipsOfVideo(env.sql, videoId);
        await send(actor, clips[index % clips.length]!, kind as ReviewCommandKind, { atFrame: at, byFrames: by });
      }
      const clips = await clipsOfVideo(env.sql, videoId);
      const edges = clips.slice(1).map((clip) => clip.startFrame);
      expect(spansBetweenCuts(edges, FRAME_COUNT)).toEqual(clips.map(({ startFrame, endFrame }) => ({ startFrame, endFrame })));
      expect(await cutFramesInside(env.sql, videoId, { startFrame: 0, endFrame: FRAME_COUNT })).toEqual(edges);
      const events = await eventsAfter(env.sql, `video:${videoId}`, 0, 1000);
      expect(events.map((event) => event.seq)).toEqual(events.map((_, position) => position + 1));
    }),
    { numRuns: 12 },
  );
});
