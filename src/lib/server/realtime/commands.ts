import type { Database } from '#lib/server/db.ts';
import { decideAlike } from '#lib/server/features/decide-alike.ts';
import { preparePlayback } from '#lib/server/features/playback.ts';
import { reviewClip, reviewClips } from '#lib/server/features/review-clip.ts';
import { requireInSession, type Actor, type Right } from '#lib/server/features/rights.ts';
import { claimClips, commandSession, leaveSession } from '#lib/server/features/run-session.ts';
import { commandSavedSearch } from '#lib/server/features/saved-searches.ts';
import { clipHistory, comment, draw, markClip } from '#lib/server/features/talk.ts';
import { undoable, undoDecision } from '#lib/server/features/undo.ts';
import type { SocketUser } from '#lib/server/realtime/rooms.ts';
import type { Replies, RequestName, Requests } from '#lib/live/commands.ts';
import { latestSeq } from '#lib/server/stores/outbox.ts';
import { parseTopic, type Topic } from '#lib/live/topics.ts';

/** Requests that need nothing of the socket but who sits behind it. */
export type PlainRequest = Exclude<RequestName, 'enter' | 'clock'>;

/** What someone may do where a topic is about; `right` is null when they may not even follow it. */
export interface Standing {
  readonly right: Right | null;
  /** Who leads the session, as of event `seq` of its topic or later; null where there is no session. */
  readonly lead: Lead | null;
}

/** Who leads a session, and the number of the event since when. */
export interface Lead {
  readonly userId: number | null;
  readonly seq: number;
}

/** What a signed-in person may ask of the server over a socket. Requests are parsed already. */
export interface Commands {
  readonly answers: { readonly [Name in PlainRequest]: (user: SocketUser, request: Requests[Name]) => Promise<Replies[Name]> };
  /** What someone may do where a topic is about, now. */
  standing(user: SocketUser, topic: Topic): Promise<Standing>;
  /** The last window that someone had on a topic has closed. */
  onLeft(topic: Topic, userId: number): Promise<void>;
}

/** The commands, bound to a database. Each feature asks for the rights that it needs. */
export function createCommands(sql: Database): Commands {
  return {
    answers: {
      review: (user, request) => reviewClip(sql, actorOf(user), request),
      reviewMany: (user, request) => reviewClips(sql, actorOf(user), request),
      alike: (user, request) => decideAlike(sql, actorOf(user), request),
      undo: (user, request) => undoDecision(sql, actorOf(user), request),
      undoable: (user, { scope }) => undoable(sql, actorOf(user), scope),
      playback: (_user, request) => preparePlayback(sql, request),
      session: (user, request) => commandSession(sql, actorOf(user), request),
      claim: (user, { sessionId }) => claimClips(sql, actorOf(user), sessionId),
      comment: (user, request) => comment(sql, actorOf(user), request),
      draw: (user, request) => draw(sql, actorOf(user), request),
      mark: (user, request) => markClip(sql, actorOf(user), request),
      savedSearch: (user, request) => commandSavedSearch(sql, actorOf(user), request),
      history: async (_user, { clipId }) => ({ kind: 'ok', entries: await clipHistory(sql, clipId) }),
    },
    async standing(user, topic) {
      const { kind, id } = parseTopic(topic);
      const right = user.role === 'viewer' ? 'watch' : 'decide';
      if (kind === 'user') return { right: id === user.userId ? right : null, lead: null };
      if (kind === 'admin') return { right: user.role === 'admin' ? 'watch' : null, lead: null };
      if (kind !== 'session') return { right, lead: null };
      // The number first: a lead that changes in between comes again as an event.
      const seq = await latestSeq(sql, topic);
      const allowed = await requireInSession(sql, actorOf(user), id, 'watch');
      if (allowed.kind === 'refused') return { right: null, lead: null };
      return { right: allowed.right, lead: { userId: allowed.session.leadId, seq } };
    },
    async onLeft(topic, userId) {
      const { kind, id } = parseTopic(topic);
      if (kind === 'session') await leaveSession(sql, id, userId);
    },
  };
}

function actorOf(user: SocketUser): Actor {
  return { userId: user.userId, name: user.name, role: user.role };
}
