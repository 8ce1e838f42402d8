import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClipView } from '#lib/live/views.ts';
import { db } from '#lib/server/db.ts';
import { makePlaybackFile, preparePlayback } from '#lib/server/features/playback.ts';
import { sweepPlaybackCache } from '#lib/server/playback-sweeper.ts';
import { tempClipKey } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { playbackCache } from '#lib/server/storage/playback-cache.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { noteCacheState, notePlaybackFile, playbackCaches } from '#lib/server/stores/playback-files.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { getPlayback } from '../support/playback.ts';

const MINUTE_MS = 60_000;
const signal = new AbortController().signal;
let env: TestEnvironment;
let clips: ClipView[];
beforeAll(async () => {
  env = await openEnvironment();
  const ann = await env.addPerson('Ann', 'reviewer');
  const videoId = await env.addVideo(ann, 60, [10, 20, 30, 40, 50]);
  const proxy = path.join(env.dataDir, 'proxy.mp4');
  const film = ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=25', '-frames:v', '60', '-g', '1', '-pix_fmt', 'yuv420p', proxy];
  execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', ['-loglevel', 'error', '-y', ...film]);
  await objectStore().publish('p', proxy);
  clips = await clipsOfVideo(env.sql, videoId);
});
afterAll(() => env.close());

async function ask(...clipIds: number[]) {
  const reply = await preparePlayback(db(), { clipIds });
  if (reply.kind !== 'ok') throw new Error(reply.message);
  return reply.clips;
}

const urlOf = async (clip: ClipView) => (await ask(clip.id))[0]!.url!;

describe('playback', () => {
  it('orders the missing files once, however many pages ask at once on a small pool', async () => {
    const clipIds = clips.map((clip) => clip.id);
    // More pages than connections, in both directions, before anything has been sent by this process.
    const pages = Array.from({ length: 30 }, (_, page) => ({ clipIds: page % 2 === 0 ? clipIds : clipIds.toReversed() }));
    const replies = await Promise.all(pages.map((page) => preparePlayback(db(), page)));

    expect(replies.every((reply) => reply.kind === 'ok' && reply.clips.every((clip) => clip.url === null))).toBe(true);
    const jobs = await env.sql`select data->>'itemId' as clip from pgboss.job where name = 'temp_clips'`;
    expect(jobs.map((job) => Number(job.clip)).toSorted((a, b) => a - b)).toEqual(clipIds);
  });

  it('plays a file that is there by a URL that is the same for a while, to those who are logged in', async () => {
    const [clip] = clips as [ClipView];
    expect(await makePlaybackFile(env.sql, clip, signal)).toBe(true);
    const [first] = await ask(clip.id);
    const [second] = await ask(clip.id);
    expect(second!.url).toBe(first!.url);
    expect(first!.validMs).toBeGreaterThan(5 * MINUTE_MS);
    const answer = await getPlayback(first!.url!);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('video/mp4');
    expect((await answer.bytes()).length).toBe((await playbackCache().stat(tempClipKey(clip)))!.sizeBytes);
    await expect(getPlayback(first!.url!, { isLoggedIn: false })).rejects.toMatchObject({ status: 401 });
  });

  it('refuses URLs that are altered, foreign or have lapsed', async () => {
    const url = await urlOf(clips[0]!);
    const other = tempClipKey(clips[1]!);
    const altered = [
      url.replace(tempClipKey(clips[0]!), other),
      url.replace(/Expires=\d+/, 'Expires=99999999999'),
      url.replace(/Signature=..../, 'Signature=AAAA'),
      url.replace(/&Signature=.*/, ''),
      url.replace('/playback/', '/media/'),
      `${url}&download=x`,
    ];
    for (const forged of altered) expect((await getPlayback(forged)).status, forged).toBe(403);
  });

  it('serves ranges, tells an unchanged file and joins no ranges of different files', async () => {
    const url = await urlOf(clips[0]!);
    const whole = Buffer.from(await (await getPlayback(url)).bytes());
    const part = await getPlayback(url, { headers: { range: 'bytes=10-19' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 10-19/${whole.length}`]);
    expect(Buffer.from(await part.bytes())).toEqual(whole.subarray(10, 20));
    const tail = await getPlayback(url, { headers: { range: 'bytes=-5' } });
    expect(Buffer.from(await tail.bytes())).toEqual(whole.subarray(-5));
    expect((await getPlayback(url, { headers: { range: `bytes=${whole.length}-` } })).status).toBe(416);
    const etag = part.headers.get('etag')!;
    expect((await getPlayback(url, { headers: { 'if-none-match': `"x", ${etag}` } })).status).toBe(304);
    expect((await getPlayback(url, { headers: { range: 'bytes=0-9', 'if-range': '"another"' } })).status).toBe(200);
    expect((await getPlayback(url, { headers: { range: 'bytes=0-9', 'if-range': etag } })).status).toBe(206);
  });

  it('makes the file here, once, when a request lands on a machine that has it not', async () => {
    const clip = clips[2]!;
    await noteCacheState(env.sql, 'other-machine', { fileCount: 1, sizeBytes: 1, limitBytes: 1, diskFreeBytes: 1, removed: [] });
    await notePlaybackFile(env.sql, 'other-machine', {
      clipId: clip.id,
      startFrame: clip.startFrame,
      endFrame: clip.endFrame,
      sizeBytes: 1,
    });
    const url = await urlOf(clip);
    expect(url).toContain(playbackCache().id);
    const answers = await Promise.all(Array.from({ length: 5 }, () => getPlayback(url)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    await Promise.all(answers.map((answer) => answer.bytes()));
    const [made] = await env.sql`select count(*)::int from playback_files where clip_id = ${clip.id} and cache_id = ${playbackCache().id}`;
    expect(made?.count).toBe(1);
    // A machine of which nothing is heard any more does not count.
    await env.sql`update playback_caches set seen_at = now() - interval '1 hour' where id = 'other-machine'`;
    await notePlaybackFile(env.sql, 'other-machine', { ...clips[5]!, clipId: clips[5]!.id, sizeBytes: 1 });
    await env.sql`update playback_caches set seen_at = now() - interval '1 hour' where id = 'other-machine'`;
    expect((await ask(clips[5]!.id))[0]!.url).toBeNull();
  });

  it('answers 404 for a clip that is gone or has other frames by now', async () => {
    const clip = clips[3]!;
    await makePlaybackFile(env.sql, clip, signal);
    const url = await urlOf(clip);
    await sweepPlaybackCache(env.sql, { byAge: true, nowMs: Date.now() + 16 * MINUTE_MS });
    await env.sql.begin(async (tx) => {
      await tx`alter table clips disable trigger clips_partition_video`;
      await tx`update clips set superseded_at = now() where id = ${clip.id}`;
      await tx`alter table clips enable trigger clips_partition_video`;
    });
    expect((await getPlayback(url)).status).toBe(404);
  });
});

describe('the sweep of the cache', () => {
  it('removes what nobody has asked for, keeps what was, and forgets no file that is being read', async () => {
    const [a, b, c] = [clips[0]!, clips[1]!, clips[2]!];
    for (const clip of [a, b, c]) await makePlaybackFile(env.sql, clip, signal);
    const nowMs = Date.now() + 16 * MINUTE_MS;
    const reading = await playbackCache().openRead(tempClipKey(b), { start: 0, end: 9 });
    expect(await sweepPlaybackCache(env.sql, { byAge: false, nowMs })).toBe(0);
    expect(await sweepPlaybackCache(env.sql, { byAge: true, nowMs: Date.now() + 5 * MINUTE_MS })).toBe(0);
    expect(await sweepPlaybackCache(env.sql, { byAge: true, nowMs })).toBe(2);
    expect(await playbackCache().stat(tempClipKey(b))).not.toBeNull();
    reading.resume();
    await new Promise((resolve) => reading.once('close', resolve));
    expect(await sweepPlaybackCache(env.sql, { byAge: true, nowMs })).toBe(1);
    const [view] = (await playbackCaches(env.sql)).filter(({ id }) => id === playbackCache().id);
    expect(view).toMatchObject({ fileCount: 0, sizeBytes: 0, isLost: false });
    expect(view!.evictedCount).toBeGreaterThanOrEqual(3);
    expect(await env.sql`select from playback_files where cache_id = ${playbackCache().id}`).toHaveLength(0);
  });
});
