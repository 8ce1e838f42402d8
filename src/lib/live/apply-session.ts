import type { VideoData } from '#lib/live/apply-event.ts';
import type { LiveEvent } from '#lib/live/events.ts';
import type { ClaimView, MemberView, SessionView, VoteView } from '#lib/live/session-views.ts';
import { sessionTopic } from '#lib/live/topics.ts';

/** A session's page after event `seq` of its topic; what its videos hold comes by their own topics. */
export interface SessionSnapshot {
  readonly session: SessionView;
  readonly members: readonly MemberView[];
  readonly claims: readonly ClaimView[];
  readonly votes: readonly VoteView[];
  readonly seq: number;
}

/** A session's page with all of its videos', as it is loaded. */
export interface SessionData extends SessionSnapshot {
  readonly videos: readonly VideoData[];
}

/** Applies an event to a session. Applying it twice changes nothing; unknown types are ignored. */
export function applyToSession(snapshot: SessionSnapshot, event: LiveEvent): SessionSnapshot {
  if (event.topic !== sessionTopic(snapshot.session.id) || event.seq <= snapshot.seq) return snapshot;
  return { ...withEventApplied(snapshot, event), seq: event.seq };
}

function withEventApplied(snapshot: SessionSnapshot, event: LiveEvent): SessionSnapshot {
  switch (event.type) {
    case 'session-changed':
      return { ...snapshot, session: event.payload.session };
    case 'member-changed': {
      const { member } = event.payload;
      const isKnown = snapshot.members.some((known) => known.userId === member.userId);
      const members = snapshot.members.map((known) => (known.userId === member.userId ? member : known));
      return { ...snapshot, members: isKnown ? members : [...members, member] };
    }
    case 'member-removed':
      return {
        ...snapshot,
        members: snapshot.members.filter((member) => member.userId !== event.payload.userId),
        claims: snapshot.claims.filter((claim) => claim.userId !== event.payload.userId),
      };
    case 'claims-changed':
      return { ...snapshot, claims: event.payload.claims };
    case 'votes-changed':
      return { ...snapshot, votes: [...snapshot.votes.filter((vote) => vote.clipId !== event.payload.clipId), ...event.payload.votes] };
    default:
      return snapshot;
  }
}
