import type { SearchHit } from '#lib/live/search.ts';

/** Most clips that are shown as alike, or decided at once. */
export const MAX_ALIKE = 500;

/**
 * Whether a clip would be decided together with others: `open`, or why not. It is decided, voted on by this person,
 * held by somebody else, about to be reviewed in a session that this is not, or no part of the one that this is.
 */
export type AlikeStanding = 'open' | 'decided' | 'voted' | 'held' | 'in-session' | 'outside';

/** A clip like another, and how it stands; `who` names the holder, or the session if this person takes part in it. */
export interface AlikeClip extends SearchHit {
  readonly likenessPercent: number;
  readonly standing: AlikeStanding;
  readonly who: string | null;
}

/** The clips that are like one, which comes first itself; and from which percentages on the model calls clips alike. */
export type AlikeAnswer =
  | {
      readonly kind: 'ok';
      readonly clips: readonly AlikeClip[];
      readonly similarPercent: number;
      readonly nearDuplicatePercent: number;
      /** The number of the library's latest event that it includes. */
      readonly seq: number;
    }
  | { readonly kind: 'refused'; readonly message: string };

/** Why a clip is left as it is, in words. */
export function standingWords({ standing, who, clip }: Pick<AlikeClip, 'standing' | 'who' | 'clip'>): string {
  switch (standing) {
    case 'open':
      return clip.state;
    case 'decided':
      return `already ${clip.state}`;
    case 'voted':
      return 'you have voted';
    case 'held':
      return `${who ?? 'somebody else'} is at it`;
    case 'in-session':
      return who === null ? 'in another session' : `in the session “${who}”`;
    case 'outside':
      return 'not in this session';
  }
}
