import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sweep } from '#lib/jobs/sweep.server.ts';
import { exportsPage, libraryPage, videoPage } from '#lib/server/features/browse-library.ts';
import { videoListFile } from '#lib/server/features/interchange.ts';
import { applyLibraryRules, changeLibraryRules, lookAfterRestores, masterState, restoreMaster } from '#lib/server/features/keep-library.ts';
import { bringBackVideo, purgeVideo, removedVideos, removeVideo, retryVideo } from '#lib/server/features/manage-video.ts';
import { preparePlayback } from '#lib/server/features/playback.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { createSession, listSessions } from '#lib/server/features/run-session.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

let env: TestEnvironment;
let ann: Actor;
beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
});
afterAll(() => env.close());

async function put(key: string): Promise<void> {
  const file = path.join(env.dataDir, 'new');
  writeFileSync(file, 'film');
  await objectStore().publish(key, file);
}

/** A video whose files lie where they should. */
async function addStoredVideo(): Promise<number> {
  const id = await env.addVideo(ann, 100, [50]);
  const keys = ['source', 'proxy', 'master'].map(
    (kind) => `${kind === 'source' ? 'originals' : kind === 'proxy' ? 'proxies' : 'masters'}/${id}/1-1/file.mp4`,
  );
  for (const key of keys) await put(key);
  const [source, proxy, master] = keys as [string, string, string];
  await env.sql`update videos set source_key = ${source}, source_bytes = 4, proxy_key = ${proxy}, master_key = ${master} where id = ${id}`;
  return id;
}
const filesOf = async (id: number) =>
  (await Promise.all(['originals', 'proxies', 'masters'].map((room) => objectStore().list(`${room}/${id}/`)))).flat().length;
const RULES = { graceDays: 7, originalDays: null, masterDays: null, restoreDays: 7 };

describe('a video that is removed', () => {
  it('is nowhere to be seen and nothing can be done with it, until it is brought back as it was', async () => {
    const id = await addStoredVideo();
    const [clip] = await clipsOfVideo(env.sql, id);
    const approve = () =>
      reviewClip(env.sql, ann, { commandId: crypto.randomUUID(), clipId: clip!.id, version: clip!.version, kind: 'approve' });
    expect((await approve()).kind).toBe('ok');
    const wish = { title: 'Day 1', mode: 'together', votesNeeded: 1, source: { kind: 'videos', videoIds: [id] } } as const;
    expect((await createSession(env.sql, ann, wish)).kind).toBe('ok');
    const before = await videoPage(env.sql, id);

    expect(await removeVideo(env.sql, ann, id)).toEqual({ kind: 'ok' });
    expect((await removeVideo(env.sql, ann, id)).kind).toBe('refused');
    expect(await videoPage(env.sql, id)).toBeNull();
    expect((await libraryPage(env.sql)).videos.map((video) => video.id)).not.toContain(id);
    expect((await exportsPage(env.sql)).items).toEqual([]);
    expect(await preparePlayback(env.sql, { clipIds: [clip!.id] })).toEqual({ kind: 'ok', clips: [] });
    expect((await approve()).kind).not.toBe('ok');
    expect((await videoListFile(env.sql, id, 'csv', 'all')).kind).toBe('gone');
    expect((await retryVideo(env.sql, ann, id)).kind).toBe('refused');
    expect((await restoreMaster(env.sql, ann, id)).kind).toBe('refused');
    expect(await masterState(env.sql, id)).toEqual({ kind: 'none' });
    expect((await createSession(env.sql, ann, wish)).kind).toBe('refused');
    expect((await listSessions(env.sql, ann))[0]).toMatchObject({ videoTitles: [], clipCount: 0 });
    expect(await removedVideos(env.sql)).toMatchObject([{ id, deletedBy: 'Ann', clipCount: 2 }]);
    expect(await filesOf(id)).toBe(3);

    await sweep(env.sql);
    expect(await bringBackVideo(env.sql, ann, id)).toEqual({ kind: 'ok' });
    const after = await videoPage(env.sql, id);
    expect(after!.clips).toEqual(before!.clips);
    expect((await bringBackVideo(env.sql, ann, id)).kind).toBe('refused');
  });

  it('goes with all that it owns when its grace time is over, also when the store fails at first', async () => {
    const id = await addStoredVideo();
    const other = await addStoredVideo();
    await removeVideo(env.sql, ann, id);
    await env.sql`update videos set deleted_at = now() - interval '8 days' where id = ${id}`;
    const broken = vi.spyOn(objectStore(), 'removePrefix').mockRejectedValueOnce(new Error('The store is away.'));
    expect(await applyLibraryRules(env.sql)).toBe(0);
    broken.mockRestore();
    // Still to be brought back by its row, and swept again.
    expect((await removedVideos(env.sql)).map((video) => video.id)).toEqual([id]);
    const counts = await Promise.all([applyLibraryRules(env.sql), applyLibraryRules(env.sql)]);
    expect(counts[0]! + counts[1]!).toBeGreaterThanOrEqual(1);
    expect(await filesOf(id)).toBe(0);
    expect(await env.sql`select from clips where video_id = ${id}`).toHaveLength(0);
    expect((await bringBackVideo(env.sql, ann, id)).kind).toBe('refused');
    expect(await filesOf(other)).toBe(3);
    await purgeVideo(env.sql, other);
    expect(await filesOf(other)).toBe(3);
  });
});

describe('the rules of the library', () => {
  it('remove originals and masters that are old enough, nothing else, and say so on the page', async () => {
    const [old, young, busy] = [await addStoredVideo(), await addStoredVideo(), await addStoredVideo()];
    await env.sql`update videos set created_at = now() - interval '40 days' where id in (${old}, ${busy})`;
    await env.sql`update clips set state = 'approved', export_state = 'exporting' where video_id = ${busy}`;
    await changeLibraryRules(env.sql, ann, { ...RULES, originalDays: 30, masterDays: 30 });
    await applyLibraryRules(env.sql);
    expect([await filesOf(old), await filesOf(young), await filesOf(busy)]).toEqual([1, 3, 3]);
    expect(await masterState(env.sql, old)).toMatchObject({ kind: 'removed' });
    expect(await masterState(env.sql, young)).toMatchObject({ kind: 'ready', sizeBytes: 4 });
    expect((await videoPage(env.sql, old))!.clips).toHaveLength(2);
    await changeLibraryRules(env.sql, ann, RULES);
  });
});

describe('a master in the archive', () => {
  it('is asked for, on its way, and back, which its page hears', async () => {
    const id = await addStoredVideo();
    const availability = vi.spyOn(objectStore(), 'availability');
    const restore = vi.spyOn(objectStore(), 'restore');
    availability.mockResolvedValue({ kind: 'archived' });
    expect(await masterState(env.sql, id)).toMatchObject({ kind: 'archived', sizeBytes: 4 });
    expect(await restoreMaster(env.sql, ann, id)).toEqual({ kind: 'ok' });
    expect(restore).toHaveBeenCalledWith(expect.stringContaining(`masters/${id}/`), 7);
    availability.mockResolvedValue({ kind: 'restoring' });
    await lookAfterRestores(env.sql);
    expect((await videoPage(env.sql, id))!.video.isMasterRestoring).toBe(true);
    availability.mockResolvedValue({ kind: 'restored', untilMs: Date.now() + 7 * 86_400_000 });
    await lookAfterRestores(env.sql);
    expect((await videoPage(env.sql, id))!.video.isMasterRestoring).toBe(false);
    const [event] = await env.sql`select payload from events where topic = ${`video:${id}`} order by seq desc limit 1`;
    expect(event!.payload).toMatchObject({ video: { id, isMasterRestoring: false } });
    vi.restoreAllMocks();
  });
});
