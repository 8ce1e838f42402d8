/** A comment on a frame, or on a range of frames; replies carry their thread's first comment as parent. */
export interface CommentView {
  readonly id: string;
  readonly videoId: number;
  readonly parentId: string | null;
  readonly author: { readonly id: number; readonly name: string };
  readonly startFrame: number;
  readonly endFrame: number;
  readonly body: string;
  readonly mentions: readonly { readonly id: number; readonly name: string }[];
  readonly reactions: readonly { readonly emoji: string; readonly userId: number; readonly name: string }[];
  readonly createdAt: string;
  readonly editedAt: string | null;
  readonly resolvedBy: string | null;
  /** A deleted comment is an empty body with this set; it takes its replies along. */
  readonly isDeleted: boolean;
}

/** Tools to draw with. */
export const DRAWING_TOOLS = ['pen', 'arrow', 'box'] as const;
export type DrawingTool = (typeof DRAWING_TOOLS)[number];

/** A drawing on a frame. */
export interface DrawingView {
  readonly id: string;
  readonly videoId: number;
  readonly frame: number;
  readonly author: { readonly id: number; readonly name: string };
  readonly tool: DrawingTool;
  readonly color: string;
  /** x, y, x, y … as shares of the picture's width and height; arrow and box have two points. */
  readonly points: readonly number[];
}

/** Emoji that can be given to a comment or thrown into the room. */
export const EMOJI = ['👍', '❤️', '🎉', '😂', '😮', '👀', '❓', '👎'] as const;

/** A line of a clip's history. */
export interface HistoryEntry {
  readonly id: number;
  readonly kind: string;
  /** For an undo or redo, the kind of what it reversed. */
  readonly reversedKind: string | null;
  /** How many clips were decided by the same command; 0 where it was about these frames alone. */
  readonly batchCount: number;
  readonly actorName: string;
  readonly actorId: number;
  readonly at: string;
  /** The clip's frames and state after it. */
  readonly after: readonly { readonly startFrame: number; readonly endFrame: number; readonly state: string }[];
}

/** A mention of a person, as it lies in their list. */
export interface MentionView {
  readonly commentId: string;
  readonly videoId: number;
  readonly videoTitle: string;
  readonly authorName: string;
  readonly body: string;
  readonly startFrame: number;
  readonly at: string;
}
