import type { Database } from '#lib/server/db.ts';
import { preparePlayback } from '#lib/server/features/playback.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import { undoDecision } from '#lib/server/features/undo.ts';
import type { SocketUser } from '#lib/server/realtime/rooms.ts';
import type { PlaybackReply, PlaybackRequest, ReviewReply, ReviewRequest, UndoRequest } from '#lib/live/commands.ts';

/** What a signed-in person may ask of the server over a socket. Requests are parsed already. */
export interface Commands {
  review(user: SocketUser, request: ReviewRequest): Promise<ReviewReply>;
  undo(user: SocketUser, request: UndoRequest): Promise<ReviewReply>;
  playback(user: SocketUser, request: PlaybackRequest): Promise<PlaybackReply>;
}

const VIEWER_REFUSED = {
  kind: 'refused',
  message: 'You can watch but not decide: an admin can make you a reviewer.',
} as const;

/** The commands, bound to a database. Viewers may watch, not decide. */
export function createCommands(sql: Database): Commands {
  return {
    async review(user, request) {
      return user.role === 'viewer' ? VIEWER_REFUSED : reviewClip(sql, actorOf(user), request);
    },
    async undo(user, request) {
      return user.role === 'viewer' ? VIEWER_REFUSED : undoDecision(sql, actorOf(user), request);
    },
    async playback(_user, request) {
      return preparePlayback(sql, request);
    },
  };
}

function actorOf(user: SocketUser): Pick<SocketUser, 'userId' | 'name' | 'role'> {
  return { userId: user.userId, name: user.name, role: user.role };
}
