/**
 * A path of this site to go to after log-in; `/` for anything that could lead elsewhere.
 *
 * The parsed path is checked as well as the text: `/.//evil.example` is on this origin, but its path
 * `//evil.example` would not be.
 */
export function ownPath(next: string | null | undefined): string {
  if (next === null || next === undefined || !next.startsWith('/')) return '/';
  const base = 'http://own.invalid';
  if (!URL.canParse(next, base)) return '/';
  const url = new URL(next, base);
  if (url.origin !== base || url.pathname.startsWith('//')) return '/';
  return url.pathname + url.search + url.hash;
}
