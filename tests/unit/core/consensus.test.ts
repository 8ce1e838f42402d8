import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { CHOICES, tally, type Choice } from '#lib/core/consensus.ts';

const votes = (...choices: Choice[]) => choices.map((choice, index) => ({ userId: index + 1, choice }));

describe('votes on a clip', () => {
  it('are open until there are enough of them', () => {
    expect(tally([], 2)).toEqual({ kind: 'open', missing: 2 });
    expect(tally(votes('skip'), 3)).toEqual({ kind: 'open', missing: 2 });
  });

  it('decide it once enough are the same', () => {
    expect(tally(votes('archive'), 1)).toEqual({ kind: 'agreed', choice: 'archive' });
    expect(tally(votes('approve', 'approve', 'approve'), 2)).toEqual({ kind: 'agreed', choice: 'approve' });
  });

  it('disagree as soon as two differ, however many are the same', () => {
    expect(tally(votes('approve', 'skip'), 5)).toEqual({ kind: 'disagreed' });
    expect(tally(votes('approve', 'approve', 'archive'), 2)).toEqual({ kind: 'disagreed' });
  });

  it('count the same in whichever order they came', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...CHOICES), { maxLength: 6 }), fc.integer({ min: 1, max: 9 }), (choices, needed) => {
        const result = tally(votes(...choices), needed);
        expect(tally(votes(...choices.toReversed()), needed)).toEqual(result);
        if (result.kind === 'open') expect(result.missing).toBe(needed - choices.length);
        if (result.kind === 'agreed') expect(new Set(choices)).toEqual(new Set([result.choice]));
        expect(result.kind === 'disagreed').toBe(new Set(choices).size > 1);
      }),
    );
  });
});
