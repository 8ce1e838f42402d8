import { expect, it } from 'vitest';
import { attachment } from '#lib/server/attachment.ts';

it('names a file for programs of any age, and lets no name out of its quotes', () => {
  expect(attachment('film 00-10.mp4')).toBe(`attachment; filename="film 00-10.mp4"; filename*=UTF-8''film%2000-10.mp4`);
  expect(attachment('Überfahrt 🎬 (1).mp4')).toBe(
    `attachment; filename="Uberfahrt _ (1).mp4"; filename*=UTF-8''%C3%9Cberfahrt%20%F0%9F%8E%AC%20%281%29.mp4`,
  );
  expect(attachment('a"; filename="../../b\r\nx: y')).toMatch(/^attachment; filename="[^"/\\\r\n]+"; filename\*=UTF-8''[\w.%-]+$/);
});
