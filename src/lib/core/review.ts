import type { FrameSpan } from '#lib/core/cuts.ts';

/** What a reviewer has decided about a clip. */
export type ClipState = 'pending' | 'approved' | 'skipped' | 'archived';

/** A clip as the review rules see it. `id` is null for one that does not exist yet. */
export interface ReviewClip extends FrameSpan {
  readonly id: number | null;
  readonly state: ClipState;
  readonly groupId: number | null;
}

/** A clip that exists, with the version that guards it against lost updates. */
export interface LiveClip extends ReviewClip {
  readonly id: number;
  readonly version: number;
}

/** What a reviewer may ask for. Each names the clip and the version that was on the screen. */
export type ReviewCommand = { readonly clipId: number; readonly version: number } & (
  | { readonly kind: 'approve' | 'skip' | 'archive' | 'reopen' }
  | { readonly kind: 'merge' | 'group' }
  | { readonly kind: 'split'; readonly atFrame: number }
  | { readonly kind: 'move-cut'; readonly byFrames: number }
);

/** The kinds of `ReviewCommand`. */
export type ReviewCommandKind = ReviewCommand['kind'];

/** What a command replaces: the clips before, and the clips after, over the same span of frames. */
export interface ClipChange {
  readonly before: readonly LiveClip[];
  readonly after: readonly ReviewClip[];
}

/** The answer to a command: the change to make, or why it can't be, or that the clip has changed. */
export type ReviewOutcome =
  | { readonly kind: 'ok'; readonly change: ClipChange }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'refused'; readonly reason: string };

const STATE_AFTER = {
  approve: 'approved',
  skip: 'skipped',
  archive: 'archived',
  reopen: 'pending',
} as const satisfies Partial<Record<ReviewCommandKind, ClipState>>;

/**
 * Decides what a command does to a clip, given the clip and the one before it in the video.
 *
 * `merge`, `group` and `move-cut` concern the boundary between the two: a move shifts the first
 * frame of the clip. Pure: reads nothing, changes nothing.
 */
export function decide(command: ReviewCommand, clip: LiveClip, previous: LiveClip | null): ReviewOutcome {
  if (clip.version !== command.version) return { kind: 'conflict' };
  switch (command.kind) {
    case 'approve':
    case 'skip':
    case 'archive':
    case 'reopen':
      return changed([clip], [{ ...clip, state: STATE_AFTER[command.kind] }]);
    case 'split':
      if (command.atFrame <= clip.startFrame || command.atFrame >= clip.endFrame) {
        return refused('A split needs at least one frame on either side: step into the clip first.');
      }
      return changed(
        [clip],
        [
          { ...clip, id: null, state: 'pending', endFrame: command.atFrame },
          { ...clip, id: null, state: 'pending', startFrame: command.atFrame },
        ],
      );
    case 'merge':
      if (previous === null) return refused('This is the first clip: there is none before it to merge with.');
      return changed([previous, clip], [{ ...clip, id: null, state: 'pending', groupId: null, startFrame: previous.startFrame }]);
    case 'group': {
      if (previous === null) return refused('This is the first clip: there is none before it to group with.');
      const groupId = previous.groupId ?? previous.id;
      return changed(
        [previous, clip],
        [
          { ...previous, state: 'approved', groupId },
          { ...clip, state: 'approved', groupId },
        ],
      );
    }
    case 'move-cut': {
      if (previous === null) return refused('The first clip begins with the video: there is no cut to move.');
      const cutFrame = clip.startFrame + command.byFrames;
      if (cutFrame <= previous.startFrame || cutFrame >= clip.endFrame) {
        return refused('The cut can’t be moved past its neighbours: each clip keeps at least one frame.');
      }
      return changed(
        [previous, clip],
        [
          { ...previous, endFrame: cutFrame },
          { ...clip, startFrame: cutFrame },
        ],
      );
    }
  }
}

/** The cut frames strictly inside the span that the clips cover. */
export function innerCutFrames(clips: readonly FrameSpan[]): number[] {
  return clips.slice(1).map((clip) => clip.startFrame);
}

function changed(before: readonly LiveClip[], after: readonly ReviewClip[]): ReviewOutcome {
  return { kind: 'ok', change: { before, after } };
}

function refused(reason: string): ReviewOutcome {
  return { kind: 'refused', reason };
}
