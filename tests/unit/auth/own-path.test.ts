import { describe, expect, it } from 'vitest';
import { ownPath } from '#lib/server/auth/own-path.ts';

describe('ownPath', () => {
  it.each(['/', '/videos/3', '/search?q=a%20b#top', '/review/1?clip=2'])('keeps a path of this site: %s', (next) => {
    expect(ownPath(next)).toBe(next);
  });

  it.each([
    null,
    undefined,
    '',
    'videos',
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    '/.//evil.example',
    '/a/..//evil.example',
    'javascript:alert(1)',
    '//',
  ])('falls back to the start page for what could lead elsewhere: %j', (next) => {
    expect(ownPath(next)).toBe('/');
  });

  it('resolves dots within the site', () => {
    expect(ownPath('/videos/../search')).toBe('/search');
  });
});
