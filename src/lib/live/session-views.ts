import type { Choice } from '#lib/core/consensus.ts';
import type { FrameSpan } from '#lib/core/cuts.ts';

/** How the people of a session work: one playhead for all, or each on clips of their own. */
export type SessionMode = 'together' | 'divide';
/** What a person may do in a session: lead it, decide, or watch. */
export type MemberRole = 'host' | 'reviewer' | 'viewer';

/** Frames of one video that a session is about. */
export interface SessionSpan extends FrameSpan {
  readonly videoId: number;
}

/** A review session as its page shows it. */
export interface SessionView {
  readonly id: number;
  readonly title: string;
  readonly mode: SessionMode;
  /** Equal votes that decide a clip; 1 means that each decision counts at once. */
  readonly votesNeeded: number;
  /** Whose playhead the others follow. */
  readonly leadId: number | null;
  readonly hostName: string | null;
  readonly createdAt: string;
  /** Start of the sitting under way; null once the session has ended. */
  readonly resumedAt: string | null;
  /** Length of the earlier sittings. */
  readonly workedMs: number;
  readonly spans: readonly SessionSpan[];
}

/** Someone who takes part in a session. */
export interface MemberView {
  readonly userId: number;
  readonly name: string;
  readonly role: MemberRole;
}

/** Who holds which clip, while the work is divided. */
export interface ClaimView {
  readonly clipId: number;
  readonly userId: number;
}

/** One vote; it counts while the clip has this version. */
export interface VoteView {
  readonly clipId: number;
  readonly userId: number;
  readonly version: number;
  readonly choice: Choice;
}

/** A link into a session. */
export interface InviteView {
  readonly tokenHash: string;
  readonly role: Exclude<MemberRole, 'host'>;
  readonly expiresAt: string;
}

/** A session in the list of sessions. */
export interface SessionListItem {
  readonly id: number;
  readonly title: string;
  readonly mode: SessionMode;
  readonly hostName: string | null;
  readonly createdAt: string;
  readonly isEnded: boolean;
  readonly videoTitles: readonly string[];
  readonly members: readonly { readonly id: number; readonly name: string }[];
  readonly clipCount: number;
  readonly pendingCount: number;
}

/** What one person did in a session. */
export interface PersonSummary {
  readonly userId: number;
  readonly name: string;
  readonly approved: number;
  readonly skipped: number;
  readonly archived: number;
  /** Splits, merges and moved cuts. */
  readonly edits: number;
  readonly undone: number;
  readonly comments: number;
}

/** A session looked back on. */
export interface SessionSummary {
  readonly session: SessionView;
  readonly people: readonly PersonSummary[];
  readonly clipCount: number;
  readonly openCount: number;
  readonly disagreedCount: number;
  readonly workedMs: number;
  readonly firstDecisionAt: string | null;
  readonly lastDecisionAt: string | null;
}
