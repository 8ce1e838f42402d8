import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ReviewCommandKind } from '#lib/core/review.ts';
import type { CommentCommand, DrawCommand, ReviewReply, SessionCommand } from '#lib/live/commands.ts';
import type { SessionMode } from '#lib/live/session-views.ts';
import { sessionTopic, userTopic, videoTopic, type Topic } from '#lib/live/topics.ts';
import { sessionPage, videoPage } from '#lib/server/features/browse-library.ts';
import { addMember, inviteToSession, joinByInvite, revokeInvite, viewInvite } from '#lib/server/features/join-session.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import {
  claimClips,
  commandSession,
  createSession,
  leaveSession,
  listSessions,
  summarize,
  type SessionSource,
} from '#lib/server/features/run-session.ts';
import { clipHistory, comment, draw, markClip, mentions } from '#lib/server/features/talk.ts';
import { undoable, undoDecision } from '#lib/server/features/undo.ts';
import { clipsInSession, clipsOfVideo } from '#lib/server/stores/clips.ts';
import { eventsAfter } from '#lib/server/stores/outbox.ts';
import { memberRole, openInvites } from '#lib/server/stores/review-sessions.ts';
import { setVideoState } from '#lib/server/stores/videos.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

const FRAME_COUNT = 100;
let env: TestEnvironment;
let root: Actor;
let ann: Actor;
let bob: Actor;
let cleo: Actor;
/** A viewer by account. */
let vic: Actor;
let videoId: number;
let sessionId: number;

beforeAll(async () => {
  env = await openEnvironment();
  root = await env.addPerson('Root', 'admin');
  ann = await env.addPerson('Ann', 'reviewer');
  bob = await env.addPerson('Bob', 'reviewer');
  cleo = await env.addPerson('Cleo', 'reviewer');
  vic = await env.addPerson('Vic', 'viewer');
});
afterAll(() => env.close());

/** Ann hosts a session over one video of three clips; Bob and Cleo are in it. */
beforeEach(async () => {
  videoId = await env.addVideo(ann, FRAME_COUNT, [20, 50]);
  sessionId = await session({ kind: 'videos', videoIds: [videoId] });
  await addMember(env.sql, ann, sessionId, bob.userId, 'reviewer');
  await addMember(env.sql, ann, sessionId, cleo.userId, 'reviewer');
});

const create = (source: SessionSource, options: { actor?: Actor; title?: string; mode?: SessionMode; votesNeeded?: number } = {}) =>
  createSession(env.sql, options.actor ?? ann, {
    title: options.title ?? '',
    mode: options.mode ?? 'together',
    votesNeeded: options.votesNeeded ?? 1,
    source,
  });
async function session(source: SessionSource, options: Parameters<typeof create>[1] = {}): Promise<number> {
  const made = await create(source, options);
  if (made.kind !== 'ok') throw new Error(made.message);
  return made.sessionId;
}
const page = async (id = sessionId) => (await sessionPage(env.sql, id))!;
const clipAt = async (index: number, id = videoId) => (await clipsOfVideo(env.sql, id))[index]!;
const send = (
  actor: Actor,
  clip: { id: number; version: number },
  kind: ReviewCommandKind,
  extra: { settle?: boolean; atFrame?: number; byFrames?: number; sessionId?: number | undefined } = {},
  commandId: string = randomUUID(),
) => reviewClip(env.sql, actor, { commandId, clipId: clip.id, version: clip.version, kind, sessionId, ...extra } as never);
const run = (actor: Actor, command: SessionCommand extends infer Each ? (Each extends unknown ? Omit<Each, 'sessionId'> : never) : never) =>
  commandSession(env.sql, actor, { sessionId, ...command } as SessionCommand);
const undo = (actor: Actor, direction: 'undo' | 'redo' = 'undo', commandId: string = randomUUID()) =>
  undoDecision(env.sql, actor, { commandId, scope: { kind: 'session', sessionId }, direction });
const canUndo = (actor: Actor) => undoable(env.sql, actor, { kind: 'session', sessionId });
const claim = (actor: Actor) => claimClips(env.sql, actor, sessionId);
const events = (topic: Topic, afterSeq = 0) => eventsAfter(env.sql, topic, afterSeq, 1_000);
const refused = (message: RegExp) => ({ kind: 'refused', message: expect.stringMatching(message) });

describe('a new session', () => {
  it('over videos is about all of their frames, is hosted and led by its maker, and bears the first one’s name', async () => {
    const otherId = await env.addVideo(ann, 40, []);
    const id = await session({ kind: 'videos', videoIds: [otherId, videoId] });
    expect(await page(id)).toMatchObject({
      session: {
        title: 'Film and 1 more',
        leadId: ann.userId,
        hostName: 'Ann',
        workedMs: 0,
        resumedAt: expect.any(String),
        spans: [
          { videoId, startFrame: 0, endFrame: FRAME_COUNT },
          { videoId: otherId, startFrame: 0, endFrame: 40 },
        ],
      },
      members: [{ userId: ann.userId, role: 'host' }],
      videos: [{ video: { id: videoId } }, { video: { id: otherId } }],
      claims: [],
      votes: [],
    });
    expect(await events(sessionTopic(id))).toMatchObject([{ type: 'session-changed', seq: 1 }]);
  });

  it('over clips joins those that touch, and still holds after a split', async () => {
    const wide = await env.addVideo(ann, 100, [10, 20, 30, 40]);
    const clips = await clipsOfVideo(env.sql, wide);
    const id = await session({ kind: 'clips', clipIds: [clips[3]!.id, clips[0]!.id, clips[1]!.id] }, { title: '  Mine ' });
    const { session: made } = await page(id);
    expect(made.title).toBe('Mine');
    expect(made.spans).toEqual([
      { videoId: wide, startFrame: 0, endFrame: 20 },
      { videoId: wide, startFrame: 30, endFrame: 40 },
    ]);
    await send(ann, clips[1]!, 'split', { atFrame: 15, sessionId: id });
    expect((await clipsInSession(env.sql, id)).map((clip) => [clip.startFrame, clip.endFrame])).toEqual([
      [0, 10],
      [10, 15],
      [15, 20],
      [30, 40],
    ]);
  });

  it('over what is pending leaves decided clips out', async () => {
    await send(ann, await clipAt(1), 'approve');
    const id = await session({ kind: 'pending' });
    const own = (await page(id)).session.spans.filter((span) => span.videoId === videoId);
    expect(own).toEqual([
      { videoId, startFrame: 0, endFrame: 20 },
      { videoId, startFrame: 50, endFrame: 100 },
    ]);
    expect((await page(id)).session.title).toBe('Everything pending');
  });

  it('is refused in plain words when there is nothing to review in it', async () => {
    const unready = await env.addVideo(ann, 50, []);
    await env.sql.begin((tx) => setVideoState(tx, unready, 'detecting'));
    expect(await create({ kind: 'videos', videoIds: [unready] })).toEqual(refused(/None of these videos is ready/));
    expect(await create({ kind: 'videos', videoIds: [] })).toEqual(refused(/None of these videos/));
    expect(await create({ kind: 'clips', clipIds: [2_000_000_000] })).toEqual(refused(/None of these clips/));
    const mixed = await session({ kind: 'videos', videoIds: [unready, videoId] });
    expect((await page(mixed)).session.spans.map((span) => span.videoId)).toEqual([videoId]);
    await env.sql.begin((tx) => setVideoState(tx, unready, 'ready'));
  });

  it('is not for viewers to make', async () => {
    expect(await create({ kind: 'videos', videoIds: [videoId] }, { actor: vic })).toEqual(refused(/Only reviewers/));
  });

  it('with more clips than a page holds is refused', async () => {
    const huge = await env.addVideo(ann, 1, []);
    await env.sql.begin(async (tx) => {
      // Without the triggers that check the partition after each row.
      await tx`set local session_replication_role = replica`;
      await tx`insert into clips (video_id, start_frame, end_frame) select ${huge}::int, f, f + 1 from generate_series(1, 5000) f`;
    });
    expect(await create({ kind: 'videos', videoIds: [huge] })).toEqual(refused(/5001 clips; a session holds at most 5000/));
    await env.sql`delete from videos where id = ${huge}`;
  });

  it('is listed for those in it, and for admins', async () => {
    const ids = async (actor: Actor) => (await listSessions(env.sql, actor)).map((item) => item.id);
    expect(await ids(bob)).toContain(sessionId);
    expect(await ids(root)).toContain(sessionId);
    expect(await ids(vic)).not.toContain(sessionId);
    const own = (await listSessions(env.sql, bob)).find((item) => item.id === sessionId);
    expect(own).toMatchObject({
      clipCount: 3,
      pendingCount: 3,
      members: [{ name: 'Ann' }, { name: 'Bob' }, { name: 'Cleo' }],
      videoTitles: ['Film'],
      isEnded: false,
    });
  });
});

describe('a link into a session', () => {
  const invite = async (role: 'reviewer' | 'viewer' = 'reviewer', validHours = 24) => {
    const made = await inviteToSession(env.sql, ann, sessionId, { role, validHours });
    if (made.kind !== 'ok') throw new Error(made.message);
    return made.path.replace('/join/', '');
  };
  const role = (actor: Actor) => memberRole(env.sql, sessionId, actor.userId);

  it('lets someone in once, and tells the others', async () => {
    const dan = await env.addPerson(`Dan${sessionId}`, 'reviewer');
    const token = await invite();
    expect(await viewInvite(env.sql, dan, token)).toMatchObject({
      sessionId,
      role: 'reviewer',
      hostName: 'Ann',
      videoCount: 1,
      isMember: false,
    });
    expect(await role(dan)).toBeNull();
    const before = (await page()).seq;
    expect(await joinByInvite(env.sql, dan, token)).toEqual({ kind: 'ok', sessionId });
    expect(await joinByInvite(env.sql, dan, token)).toEqual({ kind: 'ok', sessionId });
    expect(await events(sessionTopic(sessionId), before)).toMatchObject([
      { type: 'member-changed', payload: { member: { userId: dan.userId, role: 'reviewer' } } },
    ]);
  });

  it('that has expired or was taken back opens nothing', async () => {
    const [expired, revoked] = [await invite(), await invite()];
    expect(await openInvites(env.sql, sessionId)).toHaveLength(2);
    const [newest] = await openInvites(env.sql, sessionId);
    await revokeInvite(env.sql, ann, sessionId, newest!.tokenHash);
    await env.sql`update review_session_invites set expires_at = now() - interval '1 second' where session_id = ${sessionId}`;
    for (const token of [expired, revoked, 'never-was']) {
      expect(await viewInvite(env.sql, vic, token)).toBeNull();
      expect(await joinByInvite(env.sql, vic, token)).toEqual(refused(/expired or was taken back/));
    }
    const taken = await invite();
    const [open] = await openInvites(env.sql, sessionId);
    await revokeInvite(env.sql, ann, sessionId, open!.tokenHash);
    expect(await joinByInvite(env.sql, vic, taken)).toEqual(refused(/expired or was taken back/));
    expect(await role(vic)).toBeNull();
  });

  it('gives no more than the account allows, and never takes a role away', async () => {
    const token = await invite('reviewer');
    await joinByInvite(env.sql, vic, token);
    expect(await role(vic)).toBe('viewer');
    await joinByInvite(env.sql, bob, await invite('viewer'));
    expect(await role(bob)).toBe('reviewer');
    await joinByInvite(env.sql, ann, await invite('viewer'));
    expect(await role(ann)).toBe('host');
    await run(ann, { kind: 'set-role', userId: bob.userId, role: 'viewer' });
    await joinByInvite(env.sql, bob, token);
    expect(await role(bob)).toBe('reviewer');
  });

  it('does not let someone back in who was removed; the host can', async () => {
    const token = await invite();
    expect(await run(ann, { kind: 'remove', userId: bob.userId })).toEqual({ kind: 'ok' });
    expect(await joinByInvite(env.sql, bob, token)).toEqual(refused(/removed.*host can add you/));
    expect(await role(bob)).toBeNull();
    expect(await addMember(env.sql, ann, sessionId, bob.userId, 'viewer')).toEqual({ kind: 'ok' });
    expect(await role(bob)).toBe('viewer');
  });

  it('is for the host alone to make or take back', async () => {
    await invite();
    const [open] = await openInvites(env.sql, sessionId);
    for (const actor of [bob, vic]) {
      expect(await inviteToSession(env.sql, actor, sessionId, { role: 'viewer', validHours: 1 })).toMatchObject({ kind: 'refused' });
      expect(await revokeInvite(env.sql, actor, sessionId, open!.tokenHash)).toMatchObject({ kind: 'refused' });
      expect(await addMember(env.sql, actor, sessionId, vic.userId, 'viewer')).toMatchObject({ kind: 'refused' });
    }
    expect(await openInvites(env.sql, sessionId)).toHaveLength(1);
    expect(await addMember(env.sql, root, sessionId, vic.userId, 'reviewer')).toEqual({ kind: 'ok' });
  });

  it('is not needed by the host to add someone, but an account is', async () => {
    expect(await addMember(env.sql, ann, sessionId, 2_000_000_000, 'viewer')).toEqual(refused(/no such account/));
  });
});

describe('rights', () => {
  const everythingBy = async (actor: Actor): Promise<{ kind: string }[]> => {
    const { id: clipId, ...clip } = await clipAt(0);
    return [
      await send(actor, { ...clip, id: clipId }, 'approve'),
      await send(actor, { ...clip, id: clipId }, 'split', { atFrame: 5 }),
      await undo(actor),
      await claim(actor),
      await comment(env.sql, actor, add({ sessionId })),
      await draw(env.sql, actor, stroke({ sessionId })),
      await markClip(env.sql, actor, { kind: 'tag', sessionId, clipId, tag: 'x', isOn: true }),
      await markClip(env.sql, actor, { kind: 'rate', sessionId, clipId, stars: 3 }),
      await run(actor, { kind: 'take-lead' }),
    ];
  };
  const nothingHappened = async () => {
    const { videos, claims, session: now } = await page();
    expect(videos[0]).toMatchObject({ comments: [], drawings: [], clips: [{ state: 'pending', tags: [], ratings: [] }, {}, {}] });
    expect(claims).toEqual([]);
    expect(now.leadId).toBe(ann.userId);
  };

  it('a viewer by account can do nothing but watch, also as a reviewer of the session', async () => {
    await addMember(env.sql, ann, sessionId, vic.userId, 'reviewer');
    for (const reply of await everythingBy(vic)) expect(reply).toEqual(refused(/watch|only reviewers/i));
    await nothingHappened();
  });

  it('a viewer of the session can do nothing but watch, also with a reviewer’s account', async () => {
    await run(ann, { kind: 'set-role', userId: bob.userId, role: 'viewer' });
    for (const reply of await everythingBy(bob)) expect(reply).toEqual(refused(/watch|only reviewers/i));
    await nothingHappened();
    expect(await summarize(env.sql, bob, sessionId)).not.toBeNull();
  });

  it('someone who is not in it can do nothing at all', async () => {
    const eve = await env.addPerson(`Eve${sessionId}`, 'reviewer');
    for (const reply of await everythingBy(eve)) expect(reply).toEqual(refused(/not part of this session/));
    await nothingHappened();
    expect(await summarize(env.sql, eve, sessionId)).toBeNull();
    expect(await canUndo(eve)).toEqual(refused(/not part/));
    for (const reply of await everythingBy({ ...eve, userId: 2_000_000_000 })) expect(reply).toMatchObject({ kind: 'refused' });
  });

  it('only the host sets the mode, the votes and the roles, ends, resumes and removes; an admin hosts everything', async () => {
    const hostOnly = [
      { kind: 'set-mode', mode: 'divide' },
      { kind: 'set-votes', votesNeeded: 2 },
      { kind: 'set-role', userId: cleo.userId, role: 'viewer' },
      { kind: 'remove', userId: cleo.userId },
      { kind: 'end' },
      { kind: 'resume' },
    ] as const;
    for (const command of hostOnly) expect(await run(bob, command)).toEqual(refused(/host/));
    for (const command of hostOnly) expect(await run(root, command)).toEqual({ kind: 'ok' });
    expect(await page()).toMatchObject({ session: { mode: 'divide', votesNeeded: 2 } });
    expect((await page()).members.map((member) => member.userId)).toEqual([ann.userId, bob.userId]);
  });

  it('the host stays the host and can’t be removed', async () => {
    expect(await run(root, { kind: 'set-role', userId: ann.userId, role: 'viewer' })).toEqual(refused(/host stays/));
    expect(await run(root, { kind: 'remove', userId: ann.userId })).toEqual(refused(/can’t be removed/));
    expect(await addMember(env.sql, root, sessionId, ann.userId, 'viewer')).toEqual({ kind: 'ok' });
    expect(await memberRole(env.sql, sessionId, ann.userId)).toBe('host');
    expect(await run(ann, { kind: 'set-role', userId: vic.userId, role: 'viewer' })).toEqual(refused(/not in the session/));
  });

  it('a session that is not there refuses everything', async () => {
    expect(await commandSession(env.sql, root, { sessionId: 2_000_000_000, kind: 'end' })).toMatchObject({ kind: 'refused' });
    expect(await claimClips(env.sql, root, 2_000_000_000)).toMatchObject({ kind: 'refused' });
  });
});

describe('the lead', () => {
  const leadId = async () => (await page()).session.leadId;

  it('can be taken by any reviewer, and handed on by who has it or hosts', async () => {
    expect(await run(bob, { kind: 'take-lead' })).toEqual({ kind: 'ok' });
    expect(await leadId()).toBe(bob.userId);
    expect(await run(cleo, { kind: 'hand-lead', userId: cleo.userId })).toEqual(refused(/Only who leads/));
    expect(await run(bob, { kind: 'hand-lead', userId: cleo.userId })).toEqual({ kind: 'ok' });
    expect(await leadId()).toBe(cleo.userId);
    expect(await run(ann, { kind: 'hand-lead', userId: bob.userId })).toEqual({ kind: 'ok' });
    expect(await leadId()).toBe(bob.userId);
  });

  it('taken twice is told once', async () => {
    const before = (await page()).seq;
    await run(bob, { kind: 'take-lead' });
    await run(bob, { kind: 'take-lead' });
    expect(await events(sessionTopic(sessionId), before)).toMatchObject([{ type: 'session-changed', payload: { cause: 'lead' } }]);
  });

  it('is for reviewers: not for viewers of either kind, nor for strangers', async () => {
    await addMember(env.sql, ann, sessionId, vic.userId, 'reviewer');
    await run(ann, { kind: 'set-role', userId: bob.userId, role: 'viewer' });
    const eve = await env.addPerson(`Eva${sessionId}`, 'reviewer');
    for (const { userId } of [vic, bob, eve]) expect(await run(ann, { kind: 'hand-lead', userId })).toEqual(refused(/Only a reviewer/));
    expect(await leadId()).toBe(ann.userId);
  });

  it('falls to who removes the leader, or makes a viewer of them', async () => {
    await run(bob, { kind: 'take-lead' });
    await run(ann, { kind: 'remove', userId: bob.userId });
    expect(await leadId()).toBe(ann.userId);
    await run(cleo, { kind: 'take-lead' });
    await run(ann, { kind: 'set-role', userId: cleo.userId, role: 'viewer' });
    expect(await leadId()).toBe(ann.userId);
  });
});

describe('an ended session', () => {
  it('refuses decisions, claims and undo until it is resumed; its time adds up', async () => {
    await send(bob, await clipAt(0), 'approve');
    expect(await run(ann, { kind: 'end' })).toEqual({ kind: 'ok' });
    expect(await send(bob, await clipAt(1), 'approve')).toEqual(refused(/has ended/));
    expect(await claim(bob)).toEqual(refused(/has ended/));
    expect(await undo(bob)).toEqual(refused(/has ended/));
    expect((await clipAt(0)).state).toBe('approved');
    const first = (await page()).session;
    expect(first.resumedAt).toBeNull();
    expect(first.workedMs).toBeGreaterThan(0);
    await run(ann, { kind: 'end' });
    expect((await page()).session.workedMs).toBe(first.workedMs);

    await run(ann, { kind: 'resume' });
    const resumed = (await page()).session;
    await run(ann, { kind: 'resume' });
    expect((await page()).session.resumedAt).toBe(resumed.resumedAt);
    expect(await undo(bob)).toMatchObject({ kind: 'ok' });
    await env.sql`update review_sessions set resumed_at = now() - interval '1 minute' where id = ${sessionId}`;
    await run(ann, { kind: 'end' });
    expect((await page()).session.workedMs).toBeGreaterThanOrEqual(first.workedMs + 60_000);
  });

  it('answers a command that it took before its end again', async () => {
    const [clip, commandId] = [await clipAt(0), randomUUID()];
    const first = await send(bob, clip, 'approve', {}, commandId);
    await run(ann, { kind: 'end' });
    expect(await send(bob, clip, 'approve', {}, commandId)).toEqual(first);
  });
});

describe('the summary', () => {
  it('counts what stands, who did it, and what is open', async () => {
    await send(ann, await clipAt(0), 'approve');
    await send(bob, await clipAt(1), 'split', { atFrame: 30 });
    await send(bob, await clipAt(1), 'skip');
    await send(bob, await clipAt(2), 'archive');
    await send(cleo, await clipAt(2), 'approve');
    await send(ann, await clipAt(3), 'approve');
    await undo(ann);
    await comment(env.sql, bob, add({ sessionId }));
    const gone = add({ sessionId });
    await comment(env.sql, bob, gone);
    await comment(env.sql, bob, { kind: 'delete', id: gone.id, sessionId });
    const summary = (await summarize(env.sql, bob, sessionId))!;
    expect(summary).toMatchObject({ clipCount: 4, openCount: 1, disagreedCount: 0 });
    expect(summary.people).toEqual([
      { userId: ann.userId, name: 'Ann', approved: 1, skipped: 0, archived: 0, edits: 0, undone: 1, comments: 0 },
      { userId: bob.userId, name: 'Bob', approved: 0, skipped: 1, archived: 0, edits: 1, undone: 0, comments: 1 },
      { userId: cleo.userId, name: 'Cleo', approved: 1, skipped: 0, archived: 0, edits: 0, undone: 0, comments: 0 },
    ]);
    expect(summary.firstDecisionAt).toMatch(/Z$/);
    expect(summary.lastDecisionAt! >= summary.firstDecisionAt!).toBe(true);
    expect(summary.workedMs).toBeGreaterThanOrEqual(0);
  });

  it('counts clips on which opinions differ', async () => {
    await run(ann, { kind: 'set-votes', votesNeeded: 2 });
    await send(ann, await clipAt(0), 'approve');
    await send(bob, await clipAt(0), 'skip');
    await send(bob, await clipAt(1), 'skip');
    expect(await summarize(env.sql, ann, sessionId)).toMatchObject({ openCount: 3, disagreedCount: 1 });
  });

  it('leaves out what was decided before the session', async () => {
    const other = await env.addVideo(ann, 50, [10]);
    await send(bob, await clipAt(0, other), 'approve', { sessionId: undefined });
    const id = await session({ kind: 'videos', videoIds: [other] });
    expect(await summarize(env.sql, ann, id)).toMatchObject({ clipCount: 2, openCount: 1, people: [{ name: 'Ann', approved: 0 }] });
  });
});

describe('claims', () => {
  const held = async (actor: Actor) => {
    const reply = await claim(actor);
    if (reply.kind !== 'ok') throw new Error(reply.message);
    return reply;
  };

  it('give each two clips of their own, the first of the film first, and the same again when asked again', async () => {
    const clips = await clipsOfVideo(env.sql, videoId);
    expect((await held(ann)).clipIds).toEqual([clips[0]!.id, clips[1]!.id]);
    expect(await held(bob)).toMatchObject({ clipIds: [clips[2]!.id], othersHold: 2 });
    expect(await held(cleo)).toMatchObject({ clipIds: [], othersHold: 3 });
    const before = (await page()).seq;
    expect((await held(ann)).clipIds).toEqual([clips[0]!.id, clips[1]!.id]);
    expect((await page()).seq).toBe(before);
  });

  it('that have expired go to others, and everyone is told', async () => {
    const first = (await held(ann)).clipIds;
    await env.sql`update clip_claims set expires_at = now() where session_id = ${sessionId}`;
    const before = (await page()).seq;
    const reply = await held(bob);
    expect(reply).toMatchObject({ clipIds: first, othersHold: 0 });
    expect(await events(sessionTopic(sessionId), before)).toMatchObject([{ type: 'claims-changed', payload: { claims: reply.claims } }]);
    expect((await held(ann)).clipIds).not.toEqual(expect.arrayContaining([...first]));
  });

  it('of someone who left lapse soon, and hold again when they are back', async () => {
    const secondsLeft = async () => {
      const [row] = await env.sql<{ most: number }[]>`
        select extract(epoch from max(expires_at) - now())::float8 as most from clip_claims where session_id = ${sessionId}`;
      return row!.most;
    };
    const { clipIds } = await held(ann);
    await leaveSession(env.sql, sessionId, ann.userId);
    expect(await secondsLeft()).toBeLessThan(10);
    expect((await held(ann)).clipIds).toEqual(clipIds);
    expect(await secondsLeft()).toBeGreaterThan(20);
  });

  it('move on with each decision, whoever makes it', async () => {
    const [one, two, three] = await clipsOfVideo(env.sql, videoId);
    await held(ann);
    await send(ann, one!, 'approve');
    expect((await held(ann)).clipIds).toEqual([two!.id, three!.id]);
    await send(bob, two!, 'skip');
    expect((await held(ann)).clipIds).toEqual([three!.id]);
  });

  it('end when a member is removed', async () => {
    await held(bob);
    await run(ann, { kind: 'remove', userId: bob.userId });
    expect((await page()).claims).toEqual([]);
    expect(await claim(bob)).toEqual(refused(/not part/));
  });

  it('never hand a clip again to someone who has voted on it, but do to others', async () => {
    await run(ann, { kind: 'set-votes', votesNeeded: 2 });
    const [one, two, three] = await clipsOfVideo(env.sql, videoId);
    await held(ann);
    await send(ann, one!, 'approve');
    expect((await held(ann)).clipIds).toEqual([two!.id, three!.id]);
    await send(ann, two!, 'approve');
    await send(ann, three!, 'approve');
    expect((await held(ann)).clipIds).toEqual([]);
    expect((await held(bob)).clipIds).toEqual([one!.id, two!.id]);
  });

  it('are given up by a vote, and everyone is told', async () => {
    await run(ann, { kind: 'set-votes', votesNeeded: 2 });
    const { clipIds } = await held(ann);
    const before = (await page()).seq;
    await send(ann, await clipAt(0), 'approve');
    const left = [{ clipId: clipIds[1], userId: ann.userId }];
    expect((await page()).claims).toEqual(left);
    const told = (await events(sessionTopic(sessionId), before)).filter((event) => event.type === 'claims-changed');
    expect(told).toMatchObject([{ payload: { claims: left } }]);
  });

  it('let six people work through sixty clips at once: each clip decided once, none held twice', async () => {
    const long = await env.addVideo(
      ann,
      600,
      Array.from({ length: 59 }, (_, index) => (index + 1) * 10),
    );
    sessionId = await session({ kind: 'videos', videoIds: [long] }, { mode: 'divide' });
    const people = [ann, bob, cleo];
    for (const name of ['Dora', 'Egon', 'Fay']) people.push(await env.addPerson(`${name}${sessionId}`, 'reviewer'));
    for (const { userId } of people.slice(1)) await addMember(env.sql, ann, sessionId, userId, 'reviewer');
    const decided: number[] = [];
    const work = async (actor: Actor) => {
      for (;;) {
        const reply = await held(actor);
        // What the reply says is one moment's truth: nobody else holds what this person holds.
        const holders = Map.groupBy(reply.claims, (each) => each.clipId);
        for (const [, claims] of holders) expect(claims).toHaveLength(1);
        for (const id of reply.clipIds) expect(holders.get(id)?.[0]?.userId).toBe(actor.userId);
        if (reply.clipIds.length === 0 && reply.othersHold === 0) return;
        const [id] = reply.clipIds;
        if (id === undefined) continue;
        const clip = (await clipsOfVideo(env.sql, long)).find((each) => each.id === id)!;
        expect(await send(actor, clip, 'approve')).toMatchObject({ kind: 'ok' });
        decided.push(id);
      }
    };
    await Promise.all(people.map(work));
    expect(decided.toSorted((a, b) => a - b)).toEqual((await clipsOfVideo(env.sql, long)).map((clip) => clip.id));
    const rows = await env.sql`select from decisions where session_id = ${sessionId}`;
    expect(rows).toHaveLength(60);
    expect((await clipsOfVideo(env.sql, long)).every((clip) => clip.state === 'approved')).toBe(true);
  });

  it('on what several make at once in different videos are told as they stand', async () => {
    const videoIds = [videoId, await env.addVideo(ann, 600, [300]), await env.addVideo(ann, 600, [300])];
    sessionId = await session({ kind: 'videos', videoIds }, { mode: 'divide' });
    for (const { userId } of [bob, cleo]) await addMember(env.sql, ann, sessionId, userId, 'reviewer');
    for (let round = 0; round < 10; round += 1) {
      const work = [ann, bob, cleo].map(async (actor, index) => {
        const clip = await clipAt(0, videoIds[index]);
        return send(actor, clip, 'split', { atFrame: clip.endFrame - 1 });
      });
      for (const reply of await Promise.all([...work, claim(ann), claim(bob)])) expect(reply).toMatchObject({ kind: 'ok' });
      const told = (await events(sessionTopic(sessionId))).findLast((event) => event.type === 'claims-changed');
      expect(told?.payload, `round ${round}`).toEqual({ claims: (await page()).claims });
    }
  });

  it('and votes at once never lock each other out', async () => {
    await run(ann, { kind: 'set-votes', votesNeeded: 3 });
    const rounds = Array.from({ length: 12 }, (_, index) => index);
    for (const round of rounds) {
      const clip = await clipAt(0);
      // First against each other, then together: the last vote decides, while all claim.
      await Promise.all([send(ann, clip, 'skip'), send(bob, clip, 'approve'), send(cleo, clip, 'approve'), claim(ann), claim(bob)]);
      const replies = await Promise.all([send(ann, clip, 'approve'), claim(bob), claim(cleo), claim(ann), send(bob, clip, 'approve')]);
      for (const reply of replies) expect(['ok', 'voted', 'conflict'], JSON.stringify(reply)).toContain(reply.kind);
      expect((await clipAt(0)).state, `round ${round}`).toBe('approved');
      await send(ann, await clipAt(0), 'reopen');
    }
  });
});

describe('votes', () => {
  beforeEach(async () => {
    await run(ann, { kind: 'set-votes', votesNeeded: 2 });
  });
  const votes = async () => (await page()).votes.map(({ userId, choice }) => [userId, choice]);

  it('two of the same decide, and count for who cast the last', async () => {
    const clip = await clipAt(0);
    expect(await send(ann, clip, 'approve')).toMatchObject({ kind: 'voted', summary: expect.stringMatching(/1 more/) });
    expect((await clipAt(0)).state).toBe('pending');
    expect(await send(bob, clip, 'approve')).toMatchObject({ kind: 'ok', clips: [{ state: 'approved', decidedBy: { name: 'Bob' } }] });
    expect(await votes()).toEqual([]);
    const told = (await events(sessionTopic(sessionId))).filter((event) => event.type === 'votes-changed');
    expect(told.map((event) => event.payload)).toMatchObject([{ clipId: clip.id, votes: [{ userId: ann.userId }] }, { votes: [] }]);
  });

  it('of one person count once, however often they are cast', async () => {
    const clip = await clipAt(0);
    const commandId = randomUUID();
    await send(ann, clip, 'approve', {}, commandId);
    await send(ann, clip, 'approve', {}, commandId);
    expect(await send(ann, clip, 'approve')).toMatchObject({ kind: 'voted', votes: [{ userId: ann.userId }] });
    expect((await clipAt(0)).state).toBe('pending');
  });

  it('that differ are a disagreement, until someone changes their mind', async () => {
    const clip = await clipAt(0);
    await send(ann, clip, 'approve');
    expect(await send(bob, clip, 'skip')).toMatchObject({ kind: 'voted', summary: expect.stringMatching(/opinions differ/) });
    expect(await send(cleo, clip, 'approve')).toMatchObject({ kind: 'voted' });
    expect(await send(bob, clip, 'approve')).toMatchObject({ kind: 'ok' });
    expect((await clipAt(0)).state).toBe('approved');
  });

  it('that differ can be settled by the host, and by nobody else', async () => {
    const clip = await clipAt(0);
    await send(ann, clip, 'approve');
    await send(bob, clip, 'skip');
    expect(await send(bob, clip, 'skip', { settle: true })).toEqual(refused(/host/));
    expect(await send(ann, clip, 'archive', { settle: true })).toMatchObject({ kind: 'ok', clips: [{ state: 'archived' }] });
    expect(await votes()).toEqual([]);
  });

  it('on a clip as it no longer is are a conflict', async () => {
    const clip = await clipAt(1);
    await send(ann, clip, 'approve');
    expect(await send(cleo, clip, 'move-cut', { byFrames: 3 })).toMatchObject({ kind: 'ok' });
    expect(await send(bob, clip, 'approve')).toMatchObject({ kind: 'conflict', current: { startFrame: 23 } });
    expect(await votes()).toEqual([]);
    expect(await send(bob, await clipAt(1), 'approve')).toMatchObject({ kind: 'voted' });
  });

  it('are for pending clips, one by one', async () => {
    await send(ann, await clipAt(0), 'approve', { settle: true });
    expect(await send(bob, await clipAt(0), 'skip')).toEqual(refused(/already approved/));
    expect(await send(bob, await clipAt(1), 'group')).toEqual(refused(/by vote/));
    expect(await send(bob, await clipAt(0), 'reopen')).toMatchObject({ kind: 'ok' });
    expect(await send(bob, await clipAt(0), 'skip')).toMatchObject({ kind: 'voted' });
  });

  it('are for clips of the session', async () => {
    const other = await env.addVideo(ann, 50, [10]);
    expect(await send(bob, await clipAt(0, other), 'approve')).toEqual(refused(/not part of/));
    expect((await clipAt(0, other)).state).toBe('pending');
  });

  it('are taken back by undo, the latest first, each command only once', async () => {
    await send(ann, await clipAt(0), 'approve');
    await send(ann, await clipAt(1), 'skip');
    expect(await canUndo(ann)).toMatchObject({ undo: expect.stringMatching(/^vote to skip at /) });
    const commandId = randomUUID();
    const first = await undo(ann, 'undo', commandId);
    expect(first).toMatchObject({ kind: 'voted', votes: [], summary: expect.stringMatching(/vote to skip/) });
    expect(await undo(ann, 'undo', commandId)).toEqual(first);
    expect(await votes()).toEqual([[ann.userId, 'approve']]);
    expect(await undo(ann)).toMatchObject({ kind: 'voted', summary: expect.stringMatching(/vote to approve/) });
    expect(await undo(ann)).toEqual(refused(/nothing to undo/));
    expect(await canUndo(ann)).toEqual({ kind: 'ok', undo: null, redo: null });
  });

  it('taken back and cast again are not taken back by the old command', async () => {
    const commandId = randomUUID();
    await send(ann, await clipAt(0), 'approve');
    await undo(ann, 'undo', commandId);
    await send(ann, await clipAt(0), 'skip');
    expect(await undo(ann, 'undo', commandId)).toMatchObject({ kind: 'voted' });
    expect(await votes()).toEqual([[ann.userId, 'skip']]);
  });

  it('and decisions are undone in the order in which they were made', async () => {
    await send(ann, await clipAt(0), 'approve');
    await send(ann, await clipAt(1), 'move-cut', { byFrames: 2 });
    await send(ann, await clipAt(2), 'skip');
    expect(await undo(ann)).toMatchObject({ kind: 'voted', summary: expect.stringMatching(/vote to skip/) });
    expect(await undo(ann)).toMatchObject({ kind: 'ok', summary: 'Undone: move cut' });
    expect((await clipAt(1)).startFrame).toBe(20);
    // The moved cut made a new version of the first clip: the vote on it no longer counts.
    expect(await undo(ann)).toEqual(refused(/nothing to undo/));
  });

  it('cast and taken back at the same moment leave what everyone was told', async () => {
    for (let round = 0; round < 10; round += 1) {
      const clip = await clipAt(0);
      await send(ann, clip, 'approve');
      await Promise.all([undo(ann), send(bob, clip, 'skip'), send(cleo, clip, 'skip')]);
      const told = (await events(sessionTopic(sessionId))).findLast(
        (event) => event.type === 'votes-changed' && event.payload.clipId === clip.id,
      );
      const now = (await page()).votes.filter((vote) => vote.clipId === clip.id);
      expect(told?.payload, `round ${round}`).toMatchObject({ votes: now });
      // Two to skip, none against: decided, unless the vote against was taken back last.
      if ((await clipAt(0)).state === 'pending') expect(await send(bob, clip, 'skip')).toMatchObject({ kind: 'ok' });
      await send(ann, await clipAt(0), 'reopen');
    }
  });
});

describe('undo in a session', () => {
  it('goes back over all of its videos, and says what it would do', async () => {
    const second = await env.addVideo(ann, 50, [25]);
    sessionId = await session({ kind: 'videos', videoIds: [videoId, second] });
    await send(ann, await clipAt(1), 'approve');
    await send(ann, await clipAt(1, second), 'skip');
    expect(await canUndo(ann)).toEqual({ kind: 'ok', undo: expect.stringMatching(/^skip at 00:00:01/), redo: null });
    expect(await undo(ann)).toMatchObject({ kind: 'ok', summary: 'Undone: skip' });
    expect(await canUndo(ann)).toEqual({
      kind: 'ok',
      undo: expect.stringMatching(/^approve at 00:00:00/),
      redo: expect.stringMatching(/^what you undid at 00:00:01/),
    });
    expect(await undo(ann)).toMatchObject({ kind: 'ok', summary: 'Undone: approve' });
    expect([(await clipAt(1)).state, (await clipAt(1, second)).state]).toEqual(['pending', 'pending']);
    expect(await undo(ann, 'redo')).toMatchObject({ kind: 'ok' });
    expect(await undo(ann, 'redo')).toMatchObject({ kind: 'ok' });
    expect([(await clipAt(1)).state, (await clipAt(1, second)).state]).toEqual(['approved', 'skipped']);
    expect(await undo(ann, 'redo')).toEqual(refused(/nothing to redo/));
  });

  it('leaves alone what was done outside of it', async () => {
    await send(ann, await clipAt(0), 'approve', { sessionId: undefined });
    expect(await undo(ann)).toEqual(refused(/nothing to undo in this session/));
    expect((await clipAt(0)).state).toBe('approved');
  });

  it('sent twice, even at once, undoes once', async () => {
    await send(ann, await clipAt(0), 'approve');
    await send(ann, await clipAt(1), 'approve');
    const commandId = randomUUID();
    const replies = await Promise.all([undo(ann, 'undo', commandId), undo(ann, 'undo', commandId)]);
    expect(replies.map((reply) => reply.kind)).toEqual(['ok', 'ok']);
    expect((await clipsOfVideo(env.sql, videoId)).map((clip) => clip.state)).toEqual(['approved', 'pending', 'pending']);
  });

  it('by several people at once undoes each one’s own', async () => {
    await send(ann, await clipAt(0), 'approve');
    await send(bob, await clipAt(1), 'approve');
    await send(cleo, await clipAt(2), 'approve');
    const replies = await Promise.all([undo(ann), undo(bob), undo(cleo)]);
    expect(replies.map((reply: ReviewReply) => reply.kind)).toEqual(['ok', 'ok', 'ok']);
    expect((await clipsOfVideo(env.sql, videoId)).every((clip) => clip.state === 'pending')).toBe(true);
  });
});

type Add = Extract<CommentCommand, { kind: 'add' }>;
function add(change: Partial<Add> = {}): Add {
  return { kind: 'add', id: randomUUID(), videoId, parentId: null, startFrame: 10, endFrame: 12, body: 'Nice', ...change };
}
type Stroke = Extract<DrawCommand, { kind: 'add' }>;
function stroke(change: Partial<Stroke> = {}): Stroke {
  return {
    ...{ kind: 'add', id: randomUUID(), videoId, frame: 5, tool: 'arrow', color: '#ff0000', points: [0.125, 0.25, 0.5, 0.75] },
    ...change,
  };
}

describe('comments', () => {
  const say = (actor: Actor, command: CommentCommand) => comment(env.sql, actor, command);
  const all = async () => (await videoPage(env.sql, videoId))!.comments;
  const mentionsTold = async (actor: Actor) => (await events(userTopic(actor.userId))).filter((event) => event.type === 'mentioned');

  it('added twice are there once', async () => {
    const first = add();
    expect(await say(ann, first)).toEqual({ kind: 'ok' });
    expect(await say(ann, first)).toEqual({ kind: 'ok' });
    expect(await all()).toMatchObject([{ id: first.id, body: 'Nice', author: { name: 'Ann' }, startFrame: 10, endFrame: 12 }]);
    const told = (await events(videoTopic(videoId))).filter((event) => event.type === 'comment-changed');
    expect(told).toHaveLength(1);
  });

  it('flatten threads: a reply to a reply stays in the one thread', async () => {
    const [top, reply, second] = [add(), add(), add()];
    await say(ann, top);
    await say(bob, { ...reply, parentId: top.id });
    await say(ann, { ...second, parentId: reply.id });
    expect((await all()).map((each) => each.parentId)).toEqual([null, top.id, top.id]);
  });

  it('tell those mentioned, not oneself, and after a change only who is new', async () => {
    const before = {
      bob: (await mentionsTold(bob)).length,
      cleo: (await mentionsTold(cleo)).length,
      ann: (await mentionsTold(ann)).length,
    };
    const own = add({ body: 'Look @Bob, @bob and @Ann' });
    await say(ann, own);
    expect((await all())[0]?.mentions.map((each) => each.name).toSorted()).toEqual(['Ann', 'Bob']);
    await say(ann, { kind: 'edit', id: own.id, body: 'Look @Bob and @Cleo' });
    await say(ann, { kind: 'edit', id: own.id, body: 'Look @Cleo and @Bob!' });
    const told = await mentionsTold(bob);
    expect(told.length - before.bob).toBe(1);
    expect(told.at(-1)).toMatchObject({ payload: { mention: { commentId: own.id, authorName: 'Ann', videoTitle: 'Film' } } });
    expect((await mentionsTold(cleo)).length - before.cleo).toBe(1);
    expect((await mentionsTold(ann)).length - before.ann).toBe(0);
    const onVideo = await events(videoTopic(videoId));
    expect(onVideo.some((event) => event.type === 'mentioned')).toBe(false);
    expect((await mentions(env.sql, bob.userId))[0]).toMatchObject({ commentId: own.id, body: 'Look @Cleo and @Bob!' });
    await say(ann, { kind: 'delete', id: own.id });
    expect((await mentions(env.sql, bob.userId)).some((each) => each.commentId === own.id)).toBe(false);
  });

  it('that mention the same people at once in another order don’t lock each other out', async () => {
    const other = await env.addVideo(ann, 50, []);
    const rounds = Array.from({ length: 10 }, async () => [
      await say(ann, add({ body: '@Bob @Cleo' })),
      await say(ann, add({ videoId: other, body: '@Cleo @Bob' })),
    ]);
    const crossed = Array.from({ length: 10 }, async () => [
      await say(ann, add({ videoId: other, body: '@Cleo @Bob' })),
      await say(ann, add({ body: '@Bob @Cleo' })),
    ]);
    for (const replies of await Promise.all([...rounds, ...crossed])) expect(replies).toEqual([{ kind: 'ok' }, { kind: 'ok' }]);
  });

  it('are resolved as threads, by anyone, and opened again', async () => {
    const [top, reply] = [add(), add()];
    await say(ann, top);
    await say(bob, { ...reply, parentId: top.id });
    expect(await say(cleo, { kind: 'resolve', id: reply.id, isResolved: true })).toEqual(refused(/first comment/));
    expect(await say(cleo, { kind: 'resolve', id: top.id, isResolved: true })).toEqual({ kind: 'ok' });
    expect(await say(bob, { kind: 'resolve', id: top.id, isResolved: true })).toEqual({ kind: 'ok' });
    expect((await all()).find((each) => each.id === top.id)?.resolvedBy).toBe('Cleo');
    await say(ann, { kind: 'resolve', id: top.id, isResolved: false });
    expect((await all()).find((each) => each.id === top.id)?.resolvedBy).toBeNull();
  });

  it('take reactions, each of a person once', async () => {
    const own = add();
    await say(ann, own);
    for (const actor of [bob, bob, cleo]) await say(actor, { kind: 'react', id: own.id, emoji: '👍', isOn: true });
    await say(bob, { kind: 'react', id: own.id, emoji: '🎉', isOn: true });
    await say(cleo, { kind: 'react', id: own.id, emoji: '👍', isOn: false });
    expect((await all())[0]?.reactions.map((each) => [each.name, each.emoji])).toEqual([
      ['Bob', '👍'],
      ['Bob', '🎉'],
    ]);
  });

  it('deleted take their replies along, and can’t be answered any more', async () => {
    const [top, reply] = [add(), add()];
    await say(ann, top);
    await say(bob, { ...reply, parentId: top.id });
    expect(await say(bob, { kind: 'delete', id: top.id })).toEqual(refused(/author or an admin/));
    expect(await say(ann, { kind: 'delete', id: top.id })).toEqual({ kind: 'ok' });
    expect(await say(ann, { kind: 'delete', id: top.id })).toEqual({ kind: 'ok' });
    expect(await all()).toEqual([]);
    const told = (await events(videoTopic(videoId))).filter((event) => event.type === 'comment-changed' && event.payload.comment.isDeleted);
    expect(told).toHaveLength(2);
    expect(await say(bob, { ...add(), parentId: top.id })).toEqual(refused(/deleted/));
    expect(await say(bob, { ...add(), parentId: reply.id })).toEqual(refused(/deleted/));
    expect(await say(ann, { kind: 'edit', id: top.id, body: 'x' })).toEqual(refused(/deleted/));
    expect(await say(ann, top)).toEqual({ kind: 'ok' });
    expect(await all()).toEqual([]);
  });

  it('are changed by their author alone, and deleted by them or an admin', async () => {
    const own = add();
    await say(ann, own);
    expect(await say(bob, { kind: 'edit', id: own.id, body: 'Bad' })).toEqual(refused(/author/));
    expect(await say(root, { kind: 'edit', id: own.id, body: 'Bad' })).toEqual(refused(/author/));
    expect((await all())[0]).toMatchObject({ body: 'Nice', editedAt: null });
    await say(ann, { kind: 'edit', id: own.id, body: 'Good' });
    expect((await all())[0]).toMatchObject({ body: 'Good', editedAt: expect.any(String) });
    expect(await say(root, { kind: 'delete', id: own.id })).toEqual({ kind: 'ok' });
  });

  it('on frames that are not there are refused', async () => {
    for (const range of [
      { startFrame: 10, endFrame: 10 },
      { startFrame: 12, endFrame: 10 },
      { startFrame: 99, endFrame: 101 },
    ]) {
      expect(await say(ann, add(range))).toEqual(refused(/at least one frame/));
    }
    expect(await say(ann, add({ startFrame: 99, endFrame: 100 }))).toEqual({ kind: 'ok' });
    expect(await say(ann, add({ videoId: 2_000_000_000 }))).toEqual(refused(/removed/));
    const other = await env.addVideo(ann, 50, []);
    const [there] = await all();
    expect(await say(ann, add({ videoId: other, parentId: there!.id }))).toEqual(refused(/deleted/));
  });
});

describe('drawings', () => {
  const all = async () => (await videoPage(env.sql, videoId))!.drawings;

  it('are there once, and can be taken away by who drew them', async () => {
    const [arrow, pen, theirs] = [stroke(), stroke({ tool: 'pen', points: [0, 0, 0.5, 0.5, 1, 1] }), stroke({ frame: 6 })];
    for (const each of [arrow, arrow, pen]) expect(await draw(env.sql, ann, each)).toEqual({ kind: 'ok' });
    await draw(env.sql, bob, theirs);
    expect(await all()).toMatchObject([{ id: arrow.id, points: arrow.points, author: { name: 'Ann' } }, { id: pen.id }, { id: theirs.id }]);
    await draw(env.sql, ann, { kind: 'remove', id: theirs.id });
    expect(await all()).toHaveLength(3);
    await draw(env.sql, bob, { kind: 'remove', id: theirs.id });
    await draw(env.sql, ann, { kind: 'clear', videoId, frame: 5 });
    expect(await all()).toEqual([]);
    expect((await events(videoTopic(videoId))).map((event) => event.type)).toEqual([
      ...['drawing-added', 'drawing-added', 'drawing-added', 'drawings-removed', 'drawings-removed'],
    ]);
    expect(await draw(env.sql, ann, arrow)).toEqual({ kind: 'ok' });
    expect(await all()).toEqual([]);
  });

  it('that are incomplete, or on frames that are not there, are refused', async () => {
    expect(await draw(env.sql, ann, stroke({ frame: FRAME_COUNT }))).toEqual(refused(/no such frame/));
    expect(await draw(env.sql, ann, stroke({ videoId: 2_000_000_000 }))).toEqual(refused(/no such frame/));
    expect(await draw(env.sql, ann, stroke({ points: [0, 0, 1] }))).toEqual(refused(/draw it again/));
    expect(await draw(env.sql, ann, stroke({ tool: 'box', points: [0, 0, 1, 1, 0, 0] }))).toEqual(refused(/draw it again/));
  });
});

describe('tags and stars', () => {
  const tag = async (index: number, name: string, isOn = true) =>
    markClip(env.sql, ann, { kind: 'tag', clipId: (await clipAt(index)).id, tag: name, isOn });
  const rate = async (actor: Actor, index: number, stars: number) =>
    markClip(env.sql, actor, { kind: 'rate', clipId: (await clipAt(index)).id, stars });
  const marks = async () =>
    (await clipsOfVideo(env.sql, videoId)).map((clip) => [clip.tags.join(), clip.ratings.map((each) => each.stars).join()]);

  it('are remarks: the clip’s version stays', async () => {
    const before = await clipAt(0);
    await tag(0, 'funny');
    await tag(0, 'funny');
    await rate(ann, 0, 5);
    await rate(ann, 0, 4);
    await rate(bob, 0, 2);
    expect(await clipAt(0)).toEqual({
      ...before,
      tags: ['funny'],
      ratings: [
        { userId: ann.userId, stars: 4 },
        { userId: bob.userId, stars: 2 },
      ],
    });
    await tag(0, 'funny', false);
    await rate(bob, 0, 0);
    expect(await clipAt(0)).toMatchObject({ tags: [], ratings: [{ userId: ann.userId }] });
    expect(await markClip(env.sql, ann, { kind: 'tag', clipId: 2_000_000_000, tag: 'x', isOn: true })).toEqual(refused(/removed/));
  });

  it('go with the frames through splits and merges, and come back with undo', async () => {
    await tag(0, 'first');
    await tag(1, 'second');
    await rate(ann, 0, 2);
    await rate(ann, 1, 5);
    const original = await marks();
    await send(ann, await clipAt(1), 'split', { atFrame: 30 });
    expect(await marks()).toEqual([
      ['first', '2'],
      ['second', '5'],
      ['second', '5'],
      ['', ''],
    ]);
    await send(ann, await clipAt(1), 'merge');
    expect(await marks()).toEqual([
      ['first,second', '5'],
      ['second', '5'],
      ['', ''],
    ]);
    await undo(ann);
    await undo(ann);
    expect(await marks()).toEqual(original);
    await undo(ann, 'redo');
    expect(await marks()).toEqual([
      ['first', '2'],
      ['second', '5'],
      ['second', '5'],
      ['', ''],
    ]);
  });
});

describe('a clip’s history', () => {
  it('tells what was done to its frames, also before it was split, newest first', async () => {
    await send(ann, await clipAt(1), 'skip');
    await send(bob, await clipAt(1), 'split', { atFrame: 30 });
    await send(cleo, await clipAt(1), 'approve');
    await send(ann, await clipAt(2), 'archive');
    await undo(cleo);
    const history = await clipHistory(env.sql, (await clipAt(1)).id);
    expect(history.map((entry) => [entry.kind, entry.reversedKind, entry.actorName])).toEqual([
      ['undo', 'approve', 'Cleo'],
      ['approve', null, 'Cleo'],
      ['split', null, 'Bob'],
      ['skip', null, 'Ann'],
    ]);
    expect(history[2]?.after).toEqual([
      { startFrame: 20, endFrame: 30, state: 'pending' },
      { startFrame: 30, endFrame: 50, state: 'pending' },
    ]);
    expect(await clipHistory(env.sql, 2_000_000_000)).toEqual([]);
  });
});
