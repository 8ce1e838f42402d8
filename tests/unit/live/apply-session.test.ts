import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyToSession, type SessionSnapshot } from '#lib/live/apply-session.ts';
import type { LiveEvent, LiveEventBody } from '#lib/live/events.ts';
import type { VoteView } from '#lib/live/session-views.ts';

const at = '2026-01-01T00:00:00.000Z';
const snapshot: SessionSnapshot = {
  session: {
    id: 7,
    title: 'Dailies',
    mode: 'together',
    votesNeeded: 1,
    leadId: 1,
    hostName: 'Ann',
    createdAt: at,
    resumedAt: at,
    workedMs: 0,
    spans: [{ videoId: 1, startFrame: 0, endFrame: 100 }],
  },
  members: [
    { userId: 1, name: 'Ann', role: 'host' },
    { userId: 2, name: 'Bob', role: 'reviewer' },
  ],
  claims: [
    { clipId: 10, userId: 1 },
    { clipId: 11, userId: 2 },
  ],
  votes: [],
  seq: 3,
};

const event = (seq: number, body: LiveEventBody, topic: LiveEvent['topic'] = 'session:7'): LiveEvent => ({
  ...body,
  topic,
  seq,
  actorId: null,
  at,
});
const vote = (userId: number, change: Partial<VoteView> = {}): VoteView => ({ clipId: 10, userId, version: 1, choice: 'skip', ...change });

describe('a session', () => {
  it('takes over how it now stands', () => {
    const session = { ...snapshot.session, leadId: 2, mode: 'divide' as const };
    const after = applyToSession(snapshot, event(4, { type: 'session-changed', payload: { session, cause: 'lead', actorName: 'Bob' } }));
    expect(after).toEqual({ ...snapshot, session, seq: 4 });
  });

  it('lets someone in, and gives a member another role in place', () => {
    const eve = { userId: 3, name: 'Eve', role: 'viewer' as const };
    const joined = applyToSession(snapshot, event(4, { type: 'member-changed', payload: { member: eve } }));
    expect(joined.members.map((member) => member.userId)).toEqual([1, 2, 3]);
    const member = { userId: 2, name: 'Bob', role: 'viewer' as const };
    const demoted = applyToSession(joined, event(5, { type: 'member-changed', payload: { member } }));
    expect(demoted.members).toEqual([snapshot.members[0], member, eve]);
  });

  it('loses a removed member with what they hold', () => {
    const after = applyToSession(snapshot, event(4, { type: 'member-removed', payload: { userId: 2, actorName: 'Ann' } }));
    expect(after.members.map((member) => member.userId)).toEqual([1]);
    expect(after.claims).toEqual([{ clipId: 10, userId: 1 }]);
  });

  it('replaces all claims, and the votes on one clip', () => {
    const claims = [{ clipId: 12, userId: 2 }];
    expect(applyToSession(snapshot, event(4, { type: 'claims-changed', payload: { claims } })).claims).toEqual(claims);
    const before = { ...snapshot, votes: [vote(1), vote(1, { clipId: 11 })] };
    const voted = applyToSession(before, event(4, { type: 'votes-changed', payload: { clipId: 10, votes: [vote(2)] } }));
    expect(voted.votes).toEqual([vote(1, { clipId: 11 }), vote(2)]);
    const emptied = applyToSession(voted, event(5, { type: 'votes-changed', payload: { clipId: 10, votes: [] } }));
    expect(emptied.votes).toEqual([vote(1, { clipId: 11 })]);
  });

  it('ignores what its data includes already, and what belongs to another topic', () => {
    const claims = { type: 'claims-changed', payload: { claims: [] } } as const;
    expect(applyToSession(snapshot, event(3, claims))).toBe(snapshot);
    expect(applyToSession(snapshot, event(4, claims, 'session:8'))).toBe(snapshot);
    expect(applyToSession(snapshot, event(4, claims, 'video:7'))).toBe(snapshot);
  });

  it('counts event types that it does not know', () => {
    const unknown = { ...event(4, { type: 'claims-changed', payload: { claims: [] } }), type: 'invented' } as unknown as LiveEvent;
    expect(applyToSession(snapshot, unknown)).toEqual({ ...snapshot, seq: 4 });
  });

  it('is the same when events come twice', () => {
    const body: fc.Arbitrary<LiveEventBody> = fc.oneof(
      fc.record({ userId: fc.integer({ min: 1, max: 4 }) }).map(({ userId }) => ({
        type: 'member-removed' as const,
        payload: { userId, actorName: null },
      })),
      fc.record({ userId: fc.integer({ min: 1, max: 4 }), role: fc.constantFrom('reviewer', 'viewer') }).map(({ userId, role }) => ({
        type: 'member-changed' as const,
        payload: { member: { userId, name: `P${userId}`, role } },
      })),
      fc.record({ clipId: fc.integer({ min: 10, max: 12 }), userId: fc.integer({ min: 1, max: 4 }) }).map(({ clipId, userId }) => ({
        type: 'votes-changed' as const,
        payload: { clipId, votes: [vote(userId, { clipId })] },
      })),
    );
    fc.assert(
      fc.property(fc.array(body, { maxLength: 10 }), (bodies) => {
        const events = bodies.map((each, index) => event(index + 4, each));
        const once = events.reduce(applyToSession, snapshot);
        expect(events.flatMap((each) => [each, each]).reduce(applyToSession, snapshot)).toEqual(once);
        expect(events.reduce(applyToSession, once)).toBe(once);
      }),
    );
  });
});
