/** What can be voted for. */
export const CHOICES = ['approve', 'skip', 'archive'] as const;
export type Choice = (typeof CHOICES)[number];

/** One person's vote on a clip. */
export interface Vote {
  readonly userId: number;
  readonly choice: Choice;
}

/** How a clip's votes stand: more are needed, all agree, or they don't. */
export type Tally =
  | { readonly kind: 'open'; readonly missing: number }
  | { readonly kind: 'agreed'; readonly choice: Choice }
  | { readonly kind: 'disagreed' };

/**
 * Counts votes. A clip is decided by `needed` votes for the same choice and none against; as soon as
 * two people differ it is disagreed, until one of them changes their mind or a host settles it.
 */
export function tally(votes: readonly Vote[], needed: number): Tally {
  const [first] = votes;
  if (first !== undefined && votes.some((vote) => vote.choice !== first.choice)) return { kind: 'disagreed' };
  if (first !== undefined && votes.length >= needed) return { kind: 'agreed', choice: first.choice };
  return { kind: 'open', missing: needed - votes.length };
}
