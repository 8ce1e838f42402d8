import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { renderName, templateProblem, uniqueNames } from '#lib/core/export-names.ts';

const parts = { title: 'A/B: “Night”', timecode: '01:00:00;02', clip: '12', start: '100', end: '150', tags: 'sea, wide', stars: '4.5' };

describe('names of exports', () => {
  it('are made of the template, as file systems take them', () => {
    expect(renderName('{title} {timecode} #{clip}', parts)).toBe('A_B- _Night_ 01-00-00-02 #12');
    expect(renderName('{start}-{end} ({tags})', parts)).toBe('100-150 (sea, wide)');
    expect(renderName('{tags}', { ...parts, tags: '...' })).toBe('clip');
  });

  it('never lead to another folder and are never too long', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (title) => {
        const name = renderName('{title}', { ...parts, title });
        expect(name).not.toMatch(/[/\\:*?"<>|\0]/);
        expect(name).not.toMatch(/^\.|^$/);
        expect([...name].length).toBeLessThanOrEqual(120);
      }),
    );
  });

  it('differ from one another', () => {
    expect(uniqueNames(['a', 'A', 'b', 'a', 'a (2)'])).toEqual(['a', 'A (2)', 'b', 'a (3)', 'a (2) (2)']);
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'A', 'a (2)', 'b')), (names) => {
        expect(new Set(uniqueNames(names).map((name) => name.toLowerCase())).size).toBe(names.length);
      }),
    );
  });

  it('come from templates that are checked', () => {
    expect(templateProblem('{title} {clip}')).toBeNull();
    expect(templateProblem('{titel}')).toMatch(/no \{titel\}/);
    expect(templateProblem('{constructor}')).toMatch(/no \{constructor\}/);
    expect(templateProblem('{title')).toMatch(/brace/);
    expect(templateProblem('  ')).toMatch(/empty/);
  });
});
