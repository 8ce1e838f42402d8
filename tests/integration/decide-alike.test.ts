import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AlikeClip } from '#lib/live/alike.ts';
import type { ReviewReply } from '#lib/live/commands.ts';
import { alikeClips, decideAlike } from '#lib/server/features/decide-alike.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { claimClips, createSession } from '#lib/server/features/run-session.ts';
import { undoable, undoDecision } from '#lib/server/features/undo.ts';
import { clipHistory } from '#lib/server/features/talk.ts';
import { clipsOfVideos } from '#lib/server/stores/clips.ts';
import { registerModel, saveEmbeddings } from '#lib/server/stores/embeddings.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

let env: TestEnvironment;
let ann: Actor;
let bob: Actor;
let vera: Actor;
let videoIds: number[];
const modelDir = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'model-'));
/** How alike the clips of both films are to the first one, in percent. */
const LIKENESS = [100, 99, 95, 60, 98, 93, 85];

beforeAll(async () => {
  writeFileSync(path.join(modelDir, 'model.json'), '{"name":"angles","version":"1","dimensions":2}');
  process.env.MODEL_DIR = modelDir;
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  bob = await env.addPerson('Bob', 'reviewer');
  vera = await env.addPerson('Vera', 'viewer');
});
afterAll(async () => {
  await env.close();
  rmSync(modelDir, { recursive: true, force: true });
});

beforeEach(async () => {
  await env.sql`update videos set deleted_at = now()`;
  await env.sql`update review_sessions set resumed_at = null`;
  videoIds = [await env.addVideo(ann, 400, [100, 200, 300]), await env.addVideo(ann, 300, [100, 200])];
  const model = await registerModel(env.sql, { name: 'angles', version: '1', dimensions: 2 });
  const clips = await clipsOfVideos(env.sql, videoIds);
  const rows = clips.map((clip, index) => ({
    clip: { ...clip, stillCount: 1 },
    vector: [LIKENESS[index]! / 100, Math.sqrt(1 - (LIKENESS[index]! / 100) ** 2)],
  }));
  await env.sql.begin((tx) => saveEmbeddings(tx, model.id, rows));
});

const live = () => clipsOfVideos(env.sql, videoIds);
const states = async () => (await live()).map((clip) => clip.state.slice(0, 3)).join(' ');
async function alike(actor: Actor, sessionId: number | null = null): Promise<readonly AlikeClip[]> {
  const [first] = await live();
  const answer = await alikeClips(env.sql, actor, { clipId: first!.id, sessionId, limit: 500 });
  if (answer.kind === 'refused') throw new Error(answer.message);
  return answer.clips;
}
async function decideAll(
  actor: Actor,
  leastPercent: number,
  extra: { sessionId?: number; commandId?: string; seen?: readonly AlikeClip[] } = {},
): Promise<ReviewReply> {
  const { sessionId, commandId = randomUUID() } = extra;
  const seen = extra.seen ?? (await alike(actor, sessionId ?? null));
  const clips = seen
    .filter((one) => one.likenessPercent >= leastPercent && one.standing === 'open')
    .map(({ clip }) => ({ clipId: clip.id, version: clip.version }));
  const where = sessionId === undefined ? {} : { sessionId };
  return decideAlike(env.sql, actor, { commandId, kind: 'approve', clipId: seen[0]!.clip.id, leastPercent, clips, ...where });
}
const undo = (
  actor: Actor,
  scope: { kind: 'video'; videoId: number } | { kind: 'session'; sessionId: number },
  direction: 'undo' | 'redo' = 'undo',
) => undoDecision(env.sql, actor, { commandId: randomUUID(), scope, direction });
async function decideOne(actor: Actor, index: number, kind: 'skip' | 'archive' | 'reopen', sessionId?: number) {
  const { id: clipId, version } = (await live())[index]!;
  const where = sessionId === undefined ? {} : { sessionId };
  return reviewClip(env.sql, actor, { commandId: randomUUID(), clipId, version, kind, ...where });
}
async function openSession(host: Actor, mode: 'together' | 'divide', votesNeeded: number): Promise<number> {
  const made = await createSession(env.sql, host, { title: 'Both', mode, votesNeeded, source: { kind: 'videos', videoIds } });
  if (made.kind !== 'ok') throw new Error(made.message);
  await env.sql`insert into review_session_members (session_id, user_id, role) values (${made.sessionId}, ${bob.userId}, 'reviewer') on conflict do nothing`;
  return made.sessionId;
}

describe('deciding all clips like one', () => {
  it('shows the likest first, the clip itself before them, with what is left out and why', async () => {
    await decideOne(bob, 1, 'skip');
    const seen = await alike(ann);
    expect(seen.map((one) => one.likenessPercent)).toEqual([100, 99, 98, 95, 93, 85, 60]);
    expect(seen.map((one) => one.standing)).toEqual(['open', 'decided', 'open', 'open', 'open', 'open', 'open']);
  });

  it('decides those of all videos that are alike enough, as facts of their own that one undo takes back and redo makes again', async () => {
    const commandId = randomUUID();
    const seen = await alike(ann);
    expect(await decideAll(ann, 93, { commandId, seen })).toMatchObject({ kind: 'ok', summary: 'Approved 5 clips.' });
    expect(await states()).toBe('app app app pen app app pen');
    // A repeat of the same command changes nothing.
    expect(await decideAll(ann, 93, { commandId, seen })).toMatchObject({ kind: 'ok' });
    const versions = (await live()).map((clip) => clip.version);
    expect(versions).toEqual([2, 2, 2, 1, 2, 2, 1]);
    const jobs =
      await env.sql`select 1 from pgboss.job where name = 'exports' and data ->> 'itemId' = any(${(await live()).map((clip) => String(clip.id))})`;
    expect(jobs).toHaveLength(5);
    const [entry] = await clipHistory(env.sql, (await live())[4]!.id);
    expect(entry).toMatchObject({ kind: 'approve', actorName: 'Ann', batchCount: 5 });
    const events = await env.sql`
      select topic from events where type = 'clips-changed' and payload ->> 'cause' = 'approve' and topic = any(${videoIds.map((id) => `video:${id}`)})`;
    expect(events).toHaveLength(2);

    const scope = { kind: 'video', videoId: videoIds[0]! } as const;
    expect(await undoable(env.sql, ann, scope)).toMatchObject({ undo: 'approve of 5 clips at once' });
    expect(await undo(ann, scope)).toMatchObject({ kind: 'ok', summary: 'Undone: 5 decisions.' });
    expect(await states()).toBe('pen pen pen pen pen pen pen');
    expect(await undo(ann, scope, 'redo')).toMatchObject({ kind: 'ok' });
    expect(await states()).toBe('app app app pen app app pen');
    expect(await undo(ann, scope)).toMatchObject({ kind: 'ok' });
    expect(await undo(ann, scope)).toMatchObject({ kind: 'refused' });
  });

  it('leaves what has changed since it was shown, and undo leaves what somebody has built upon; both say so', async () => {
    const seen = await alike(ann);
    await decideOne(bob, 4, 'archive');
    await decideOne(bob, 1, 'skip');
    await decideOne(bob, 1, 'reopen');
    expect(await decideAll(ann, 93, { seen })).toMatchObject({
      kind: 'ok',
      summary: 'Approved 3 clips. Left as they are: 1 changed meanwhile, 1 decided by now.',
    });
    expect(await states()).toBe('app pen app pen arc app pen');
    await decideOne(bob, 2, 'archive');
    expect(await undo(ann, { kind: 'video', videoId: videoIds[0]! })).toMatchObject({
      kind: 'ok',
      summary: 'Undone: 2 decisions. 1 left as it is: changed since.',
    });
    expect(await states()).toBe('pen pen arc pen arc pen pen');
  });

  it('two people at the same moment decide each clip once', async () => {
    const [annSees, bobSees] = [await alike(ann), await alike(bob)];
    const replies = await Promise.all([decideAll(ann, 90, { seen: annSees }), decideAll(bob, 90, { seen: bobSees })]);
    expect(replies.map((reply) => reply.kind).sort()).toEqual(['conflict', 'ok']);
    const facts = await env.sql`select 1 from decisions where video_id = any(${videoIds}) and kind = 'approve'`;
    expect(facts).toHaveLength(5);
  });

  it('is refused to who may only watch, and leaves clips that a session is about to those in it', async () => {
    expect(await decideAll(vera, 90)).toMatchObject({ kind: 'refused' });
    const sessionId = await openSession(bob, 'divide', 1);
    const alone = await alike(ann);
    // The clip on the screen is hers all the same.
    expect(alone.map((one) => one.standing)).toEqual(['open', ...Array.from({ length: 6 }, () => 'in-session')]);
    expect(alone.map((one) => one.who)).not.toContain('Both');
    expect((await alike(bob))[1]!.who).toBe('Both');
    expect(await decideAll(ann, 90, { sessionId, seen: alone })).toMatchObject({ kind: 'refused' });
    await env.sql`insert into review_session_members (session_id, user_id, role) values (${sessionId}, ${ann.userId}, 'reviewer')`;
    await claimClips(env.sql, ann, sessionId);
    const held = (await alike(bob, sessionId)).filter((one) => one.standing === 'held');
    expect(held.length).toBeGreaterThan(0);
    expect(held[0]!.who).toBe('Ann');
    const reply = await decideAll(bob, 0, { sessionId });
    expect(reply.kind).toBe('ok');
    for (const one of held) expect((await live()).find((clip) => clip.id === one.clip.id)?.state).toBe('pending');
  });

  it('in a session that takes two votes it votes on each; one undo withdraws them and takes back what they decided', async () => {
    const sessionId = await openSession(ann, 'together', 2);
    expect(await decideAll(ann, 95, { sessionId })).toMatchObject({
      kind: 'ok',
      summary: 'Voted to approve 4 clips; more votes are needed.',
    });
    expect(await states()).toBe('pen pen pen pen pen pen pen');
    expect((await alike(ann, sessionId)).filter((one) => one.standing === 'voted')).toHaveLength(4);
    expect(await decideAll(bob, 85, { sessionId })).toMatchObject({ summary: 'Voted to approve 6 clips; 4 decided by it.' });
    expect(await states()).toBe('app app app pen app pen pen');
    expect(await undo(bob, { kind: 'session', sessionId })).toMatchObject({ kind: 'ok', summary: 'Undone: 4 decisions and 2 votes.' });
    expect(await states()).toBe('pen pen pen pen pen pen pen');
    const votes =
      await env.sql`select 1 from clip_votes o join clips c on c.id = o.clip_id and c.version = o.version where not o.is_withdrawn`;
    expect(votes).toHaveLength(0);
  });
});
