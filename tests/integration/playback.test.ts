import { afterAll, beforeAll, expect, it } from 'vitest';
import { db } from '#lib/server/db.ts';
import { preparePlayback } from '#lib/server/features/playback.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

let env: TestEnvironment;
beforeAll(async () => {
  env = await openEnvironment();
});
afterAll(() => env.close());

it('orders the missing files once, however many pages ask at once on a small pool', async () => {
  const ann = await env.addPerson('Ann', 'reviewer');
  const videoId = await env.addVideo(ann, 60, [10, 20, 30, 40, 50]);
  const clipIds = (await clipsOfVideo(env.sql, videoId)).map((clip) => clip.id);

  // More pages than connections, in both directions, before anything has been sent by this process.
  const pages = Array.from({ length: 30 }, (_, page) => ({ clipIds: page % 2 === 0 ? clipIds : clipIds.toReversed() }));
  const replies = await Promise.all(pages.map((page) => preparePlayback(db(), page)));

  expect(replies.every((reply) => reply.kind === 'ok' && reply.clips.every((clip) => clip.url === null))).toBe(true);
  const jobs = await env.sql`select data->>'itemId' as clip from pgboss.job where name = 'temp_clips'`;
  expect(jobs.map((job) => Number(job.clip)).toSorted((a, b) => a - b)).toEqual(clipIds);
});
