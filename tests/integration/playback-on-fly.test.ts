import { afterAll, beforeAll, expect, it } from 'vitest';
import { db } from '#lib/server/db.ts';
import { preparePlayback } from '#lib/server/features/playback.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { noteCacheState, notePlaybackFile } from '#lib/server/stores/playback-files.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { getPlayback } from '../support/playback.ts';

let env: TestEnvironment;
beforeAll(async () => {
  process.env.FLY_MACHINE_ID = 'machine-a';
  env = await openEnvironment();
});
afterAll(async () => {
  delete process.env.FLY_MACHINE_ID;
  await env.close();
});

it('a request for the file of another machine is replayed there, and not twice', async () => {
  const ann = await env.addPerson('Ann', 'reviewer');
  const [clip] = await clipsOfVideo(env.sql, await env.addVideo(ann, 60, []));
  await noteCacheState(env.sql, 'machine-b', { fileCount: 1, sizeBytes: 1, limitBytes: 1, diskFreeBytes: 1, removed: [] });
  await notePlaybackFile(env.sql, 'machine-b', { clipId: clip!.id, startFrame: 0, endFrame: 60, sizeBytes: 1 });
  const reply = await preparePlayback(db(), { clipIds: [clip!.id] });
  const url = reply.kind === 'ok' ? reply.clips[0]!.url! : '';
  expect(url).toContain('/playback/machine-b/');
  const answer = await getPlayback(url);
  expect(answer.headers.get('fly-replay')).toMatch(/^instance=machine-b;/);
  // Back from the proxy, which has not reached the other: made here, had the video a proxy file.
  await expect(getPlayback(url, { headers: { 'fly-replay-failed': 'instance=machine-b' } })).rejects.toThrow();
});
