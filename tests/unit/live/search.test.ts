import { describe, expect, it } from 'vitest';
import { isRestricted, parseSearch, searchOrder, searchQuery } from '#lib/live/search.ts';

const parse = (query: string) => parseSearch(new URLSearchParams(query));

describe('a search in an address', () => {
  it('is read and written the same, and leaves out what restricts nothing', () => {
    const query = 'q=a+%23red+car&color=c22f2f&state=approved&tag=night&stars=3&from=2026-01-02&minSeconds=1.5';
    expect(searchQuery(parse(query))).toBe(query);
    expect(searchQuery(parse('q=&state=&videoId=x&color=red&image=../etc&after=1'))).toBe('');
    expect(parse('color=00ff7f').color).toBe('#00ff7f');
  });

  it('is ordered by its text first, and by a colour only where nothing else orders it', () => {
    const image = '0'.repeat(32);
    expect(searchOrder(parse(`q=x&image=${image}&like=3&color=ff0000`))).toBe('text');
    expect(searchOrder(parse(`image=${image}&like=3`))).toBe('image');
    expect(searchOrder(parse('like=3&color=ff0000'))).toBe('clip');
    expect(searchOrder(parse('color=ff0000&state=pending'))).toBe('color');
    expect(searchOrder(parse('state=pending'))).toBe('newest');
    expect(isRestricted(parse('color=ff0000'))).toBe(true);
    expect(isRestricted(parse('q=x&like=3'))).toBe(false);
    expect(isRestricted({ ...parse(''), clipIds: [] })).toBe(true);
  });
});
