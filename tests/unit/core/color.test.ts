import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { colorSignature, colorVector, SIGNATURE_LENGTH } from '#lib/core/color.ts';

const product = (one: readonly number[], other: readonly number[]) => one.reduce((sum, value, at) => sum + value * other[at]!, 0);
const likeness = (one: string, other: string) => product(colorVector(one), colorVector(other));
/** Colours in the order in which they are like the first. */
const byLikeness = (color: string, others: readonly string[]) =>
  [...others].sort((one, other) => likeness(color, other) - likeness(color, one));

describe('likeness of colours', () => {
  it('is 1 for the same colour and falls with what a person sees of the difference', () => {
    for (const color of ['#000000', '#ffffff', '#c22f2f', '#7f8081', '#00ff00']) expect(likeness(color, color)).toBeCloseTo(1);
    const [red, darkRed, orange, blue] = ['#d02020', '#700000', '#ff8000', '#2030d0'] as const;
    expect(byLikeness(red, [blue, orange, darkRed])).toEqual([darkRed, orange, blue]);
    const [sky, grey, leaf] = ['#a0c0e0', '#808080', '#30a040'] as const;
    expect(byLikeness(blue, [grey, leaf, sky])[0]).toBe(sky);
    expect(byLikeness('#101010', ['#f0f0f0', '#808080', '#303030'])).toEqual(['#303030', '#808080', '#f0f0f0']);
    expect(likeness(red, grey)).toBeLessThan(0.02);
  });

  it('of a picture is the share that has the colour', () => {
    const signature = colorSignature([
      { color: '#2030d0', share: 0.7 },
      { color: '#d02020', share: 0.3 },
    ]);
    expect(product(signature, colorVector('#d02020'))).toBeCloseTo(0.3, 1);
    expect(product(signature, colorVector('#2030d0'))).toBeCloseTo(0.7, 1);
    expect(product(signature, colorVector('#30a040'))).toBeLessThan(0.01);
  });

  it('has as many numbers as the database keeps', () => {
    expect(readFileSync('migrations/0017-search-by-colour-and-image.sql', 'utf8')).toContain(`halfvec(${SIGNATURE_LENGTH})`);
  });
});
