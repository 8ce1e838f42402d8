import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { mentionedIds, splitMentions } from '#lib/core/mentions.ts';

const people = [
  { id: 1, name: 'Ann' },
  { id: 2, name: 'Ann Lee' },
  { id: 3, name: 'Bob' },
  { id: 4, name: 'Zoë' },
];

describe('a mention', () => {
  it('is an @ and a whole name, of whichever case', () => {
    expect(splitMentions('Look @bob: nice', people)).toEqual([
      { text: 'Look ', userId: null },
      { text: '@bob', userId: 3 },
      { text: ': nice', userId: null },
    ]);
  });

  it('means the longer of two names that fit', () => {
    expect(mentionedIds('@Ann Lee and @Ann, and @Ann Leeds', people)).toEqual([2, 1]);
  });

  it('never ends in the middle of a word, nor begins in one', () => {
    expect(mentionedIds('@Bobby, me@Bob.com, @Zoës', people)).toEqual([]);
    expect(mentionedIds('(@Zoë) @Bob’s @Bob', people)).toEqual([4, 3]);
  });

  it('leaves nothing of the comment out', () => {
    const word = fc.constantFrom('@', 'Ann', 'ann lee', ' ', '@Bob', 'ë', '@Zoë', '\n', '😀', 'İ', '@@', '.');
    const body = fc.oneof(
      fc.array(word, { maxLength: 12 }).map((words) => words.join('')),
      fc.string({ unit: 'grapheme' }),
    );
    fc.assert(
      fc.property(body, (text) => {
        const pieces = splitMentions(text, people);
        expect(pieces.map((piece) => piece.text).join('')).toBe(text);
        expect(pieces.every((piece) => piece.text !== '')).toBe(true);
      }),
    );
  });
});
