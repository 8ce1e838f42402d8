import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { SavedSearchView } from '#lib/live/saved-search.ts';
import { parseSearch } from '#lib/live/search.ts';
import { sweep } from '#lib/jobs/sweep.server.ts';
import { bringBackVideo, removeVideo } from '#lib/server/features/manage-video.ts';
import { reviewClips } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { commandSavedSearch, savedSearches } from '#lib/server/features/saved-searches.ts';
import { searchClips, searchStanding } from '#lib/server/features/search-clips.ts';
import { markClip } from '#lib/server/features/talk.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { SIGNALS_CHANNEL } from '#lib/server/stores/outbox.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

let env: TestEnvironment;
let ann: Actor;
let ben: Actor;
let vic: Actor;
let videoId: number;
/** What pages were told, in order. */
const heard: { type: string; payload: { clipIds: number[] } | null }[] = [];

beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  ben = await env.addPerson('Ben', 'reviewer');
  vic = await env.addPerson('Vic', 'viewer');
  videoId = await env.addVideo(ann, 400, [100, 200, 300]);
  await env.sql.listen(SIGNALS_CHANNEL, (text) => heard.push(JSON.parse(text) as (typeof heard)[number]));
});
afterAll(() => env.close());

const clips = () => clipsOfVideo(env.sql, videoId);
const wish = (query: string) => parseSearch(new URLSearchParams(query));
async function seenBy(actor: Actor, name: string): Promise<SavedSearchView | undefined> {
  return (await savedSearches(env.sql, actor)).find((search) => search.name === name);
}
async function decide(actor: Actor, clipIds: readonly number[], kind: 'approve' | 'skip' | 'reopen') {
  const now = (await clips()).filter((clip) => clipIds.includes(clip.id));
  return reviewClips(env.sql, actor, {
    decisions: now.map(({ id, version }) => ({ commandId: crypto.randomUUID(), clipId: id, version, kind })),
  });
}

describe('saved searches', () => {
  const id = crypto.randomUUID();

  it('count what they find and what is new since somebody looked, each person for themselves', async () => {
    const save = { kind: 'save', id, name: 'To cut', query: '?state=approved&rubbish=1', isShared: true } as const;
    expect(await commandSavedSearch(env.sql, ann, save)).toEqual({ kind: 'ok' });
    expect(await commandSavedSearch(env.sql, ann, save)).toEqual({ kind: 'ok' });
    expect(await savedSearches(env.sql, ann)).toHaveLength(1);
    expect(await seenBy(ann, 'To cut')).toMatchObject({ query: 'state=approved', count: 0, newCount: 0, ownerName: null, canChange: true });
    const [first, second] = await clips();
    await decide(ben, [first!.id, second!.id], 'approve');
    expect(await seenBy(ann, 'To cut')).toMatchObject({ count: 2, newCount: 2 });
    // Whoever has never opened it has nothing marked as new.
    expect(await seenBy(ben, 'To cut')).toMatchObject({ count: 2, newCount: 0, ownerName: 'Ann', canChange: false });
    await commandSavedSearch(env.sql, ann, { kind: 'seen', id });
    expect(await seenBy(ann, 'To cut')).toMatchObject({ count: 2, newCount: 0 });
    await decide(ben, [first!.id], 'reopen');
    expect(await seenBy(ann, 'To cut')).toMatchObject({ count: 1, newCount: 0 });
  });

  it('are changed by their owner alone, shared by reviewers, and come back after they were deleted', async () => {
    const refused = (words: RegExp) => ({ kind: 'refused', message: expect.stringMatching(words) });
    expect(await commandSavedSearch(env.sql, ben, { kind: 'rename', id, name: 'Mine' })).toEqual(refused(/Only Ann/));
    expect(await commandSavedSearch(env.sql, ben, { kind: 'delete', id })).toEqual(refused(/Only Ann/));
    const own = crypto.randomUUID();
    const save = { kind: 'save', id: own, name: 'Vic’s', query: 'minSeconds=1', isShared: true } as const;
    expect(await commandSavedSearch(env.sql, vic, save)).toEqual(refused(/Only reviewers share/));
    expect(await commandSavedSearch(env.sql, vic, { ...save, isShared: false })).toEqual({ kind: 'ok' });
    expect(await seenBy(vic, 'Vic’s')).toMatchObject({ count: 4 });
    expect(await seenBy(ann, 'Vic’s')).toBeUndefined();
    expect(await commandSavedSearch(env.sql, ann, { kind: 'delete', id: own })).toEqual(refused(/gone/));
    // An id that is somebody else's saves nothing over it.
    expect(await commandSavedSearch(env.sql, ann, { ...save, name: 'Taken' })).toEqual(refused(/gone/));
    await commandSavedSearch(env.sql, ann, { kind: 'rename', id, name: 'For the edit' });
    await commandSavedSearch(env.sql, ann, { kind: 'delete', id });
    expect(await seenBy(ben, 'For the edit')).toBeUndefined();
    expect(await commandSavedSearch(env.sql, ann, { kind: 'restore', id })).toEqual({ kind: 'ok' });
    await sweep(env.sql);
    expect(await seenBy(ben, 'For the edit')).toMatchObject({ count: 1 });
    await commandSavedSearch(env.sql, ann, { kind: 'share', id, isShared: false });
    expect(await seenBy(ben, 'For the edit')).toBeUndefined();
  });

  it('of an image keep it from the sweep for as long as they are there', async () => {
    const [image, query] = ['a'.repeat(32), `image=${'a'.repeat(32)}`];
    await env.sql`insert into embedding_models (name, version, dimensions) values ('m', '1', 2)`;
    await env.sql`
      insert into search_images (id, thumbnail, model_id, embedding, expires_at)
      select ${image}, '\\x00', id, '[1,0]', now() - interval '1 day' from embedding_models`;
    const save = { kind: 'save', id: crypto.randomUUID(), name: 'Like this', query, isShared: false } as const;
    expect(await commandSavedSearch(env.sql, ann, save)).toEqual({ kind: 'ok' });
    await sweep(env.sql);
    expect(await env.sql`select 1 from search_images`).toHaveLength(1);
    await env.sql`update saved_searches set deleted_at = now() - interval '31 days' where id = ${save.id}`;
    await sweep(env.sql);
    expect(await env.sql`select 1 from search_images`).toHaveLength(0);
    expect(await commandSavedSearch(env.sql, ann, { ...save, id: crypto.randomUUID() })).toMatchObject({ kind: 'refused' });
  });
});

describe('a search that is on a screen', () => {
  it('is told which clips were decided, tagged, removed and brought back, and how they now stand', async () => {
    const [first, second, third] = await clips();
    await decide(ann, [second!.id], 'reopen');
    const told = () => heard.flatMap((signal) => signal.payload?.clipIds ?? []);
    await decide(ann, [first!.id], 'skip');
    await markClip(env.sql, ann, { kind: 'tag', clipId: second!.id, tag: 'night', isOn: true });
    await vi.waitFor(() => expect(told().slice(-2)).toEqual([first!.id, second!.id]), 10_000);
    const ids = [first!.id, second!.id, third!.id, 999_999];
    const pending = await searchStanding(env.sql, wish('state=pending'), ids);
    expect(pending?.found.map((hit) => hit.clip.id)).toEqual([third!.id, second!.id]);
    expect(pending?.others.map((clip) => [clip.id, clip.state])).toEqual([[first!.id, 'skipped']]);
    expect((await searchStanding(env.sql, wish('tag=night'), ids))?.found[0]?.clip.tags).toEqual(['night']);
    await removeVideo(env.sql, ann, videoId);
    expect(await searchStanding(env.sql, wish(''), ids)).toEqual({ found: [], others: [] });
    await bringBackVideo(env.sql, ann, videoId);
    const all = (await clips()).map((clip) => clip.id);
    await vi.waitFor(() => expect(told().slice(-4)).toEqual(all), 10_000);
  });
});

describe('decisions about many clips', () => {
  it('each stand for themselves: what was changed meanwhile is left, a repeat does nothing, and viewers decide nothing', async () => {
    const before = await clips();
    const decisions = before.map(({ id, version }) => ({ commandId: crypto.randomUUID(), clipId: id, version, kind: 'approve' as const }));
    expect(await reviewClips(env.sql, vic, { decisions })).toMatchObject({ kind: 'refused' });
    await decide(ben, [before[0]!.id], 'reopen');
    const reply = await reviewClips(env.sql, ann, { decisions });
    expect(reply).toMatchObject({ kind: 'ok', leftCount: 1 });
    const approved = (await clips()).filter((clip) => clip.state === 'approved');
    expect(approved.map((clip) => clip.id)).toEqual(before.slice(1).map((clip) => clip.id));
    expect(approved.every((clip) => clip.decidedBy?.name === 'Ann')).toBe(true);
    // Each is exported: its job was made with the decision.
    const jobs = await env.sql`select 1 from pgboss.job where name = 'exports'`;
    expect(jobs.length).toBeGreaterThanOrEqual(approved.length);
    await reviewClips(env.sql, ann, { decisions });
    expect((await clips()).map((clip) => clip.version).slice(1)).toEqual(approved.map((clip) => clip.version));
    // Undo goes back to what each was.
    if (reply.kind === 'ok') {
      const back = reply.clips.map(({ id, version }) => ({ commandId: crypto.randomUUID(), clipId: id, version, kind: 'reopen' as const }));
      expect(await reviewClips(env.sql, ann, { decisions: back })).toMatchObject({ leftCount: 0 });
    }
    expect(await searchClips(env.sql, wish('state=approved'), null)).toMatchObject({ hits: [] });
  });
});
