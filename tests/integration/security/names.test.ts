import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { renderName, uniqueNames } from '#lib/core/export-names.ts';
import { extensionOf, isStorable, plainFileName, titleOf } from '#lib/core/titles.ts';
import { importUrl } from '#lib/server/features/import-video.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { originalKey } from '#lib/server/storage/keys.ts';
import { findVideo } from '#lib/server/stores/videos.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { HOSTILE_TEXTS } from '../../support/hostile.ts';

let env: TestEnvironment;
let ann: Actor;
beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
});
afterAll(() => env.close());

const text = fc.oneof(
  fc.constantFrom(...HOSTILE_TEXTS, '..\\..\\boot.ini', '/etc/passwd', 'C:\\x', 'CON', '.', '..', '.../...//'),
  fc.string({ unit: 'binary', maxLength: 80 }),
);

it('no title, tag or template makes the name of a file in a zip lead out of the folder where it is unpacked', () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), text, (titles, template) => {
      const names = uniqueNames(
        titles.map((title) =>
          renderName(template + '{title}', { title, timecode: title, clip: '1', start: '0', end: '9', tags: title, stars: '' }),
        ),
      );
      expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length);
      for (const name of names) {
        expect(name).not.toMatch(/[/\\:\p{Cc}]|^\.|^\s*$/u);
        expect([...name].length).toBeLessThan(140);
      }
    }),
    { numRuns: 500 },
  );
});

it('no name of an uploaded file becomes part of a path', () => {
  fc.assert(
    fc.property(text, (fileName) => {
      expect(originalKey(3, extensionOf(fileName))).toMatch(/^originals\/3\/source\.[a-z0-9]{1,5}$/);
      expect(isStorable(plainFileName(fileName)) && isStorable(titleOf(plainFileName(fileName)))).toBe(true);
      expect(plainFileName(fileName)).not.toBe('');
    }),
    { numRuns: 500 },
  );
});

it('a film from an address with a NUL in its name is noted under a plain one', async () => {
  const outcome = await importUrl(env.sql, ann, { url: 'https://example.com/a%00b%0d%0a.mp4' });
  if (outcome.kind !== 'ok') throw new Error(outcome.kind);
  expect(await findVideo(env.sql, outcome.videoId)).toMatchObject({ fileName: 'a b  .mp4', title: 'a b' });
});
