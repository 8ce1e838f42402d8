import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../support/fly-sim/random.ts';
import { openLaboratory, type Laboratory } from '../../support/fuzz/laboratory.ts';
import { mutate } from '../../support/fuzz/mutations.ts';

/** A short run; `npm run fuzz -- --minutes N --seed S` goes on for longer, with other damage. */
const SEED = 'media';
const DAMAGED_COUNT = 18;

let laboratory: Laboratory;
beforeAll(async () => {
  laboratory = await openLaboratory();
}, 120_000);
afterAll(() => laboratory.close());

describe('a media file that somebody has thought up', () => {
  it('reaches nothing outside of its work folder, takes neither long nor much, and is refused where it is no video', async () => {
    const fates = [];
    for (const { name, path: file, expected } of laboratory.tricks) {
      fates.push({ name, expected, ...(await laboratory.examine(file, { isWhole: false })) });
    }
    expect(fates.filter(({ broken }) => broken.length > 0)).toEqual([]);
    expect(fates.filter(({ kind, expected }) => expected !== 'any' && kind !== expected)).toEqual([]);
    expect(fates.length).toBeGreaterThan(45);
  }, 600_000);
});

describe('a damaged media file', () => {
  it('of any kind ends as a video or with a reason, within bounds, in every stage', async () => {
    const fates = [];
    for (let round = 0; round < DAMAGED_COUNT; round += 1) {
      const random = new SeededRandom(`${SEED}/${round}`);
      const film = laboratory.films[round % laboratory.films.length]!;
      const { bytes, how } = mutate(readFileSync(film.path), random);
      const file = path.join(laboratory.inbox, `damaged${path.extname(film.name)}`);
      writeFileSync(file, bytes);
      fates.push({ round, film: film.name, how, ...(await laboratory.examine(file, { isWhole: round % 6 === 0 })) });
    }
    expect(fates.filter(({ broken }) => broken.length > 0)).toEqual([]);
    // Neither does everything get through, nor nothing.
    expect(new Set(fates.map(({ kind }) => kind)).size).toBeGreaterThan(1);
  }, 600_000);
});
