import { expect, it } from 'vitest';
import { jobFilterQuery, parseJobFilter } from '#lib/live/job-views.ts';

it('a filter goes into the address and comes back', () => {
  const address = 'state=failed&queue=exports&stage=export&videoId=3&from=2026-01-02T03%3A04%3A05.000Z&text=no+space';
  expect(jobFilterQuery(parseJobFilter(new URLSearchParams(address)))).toBe(address);
});

it('what makes no sense in an address is left out', () => {
  const filter = parseJobFilter(new URLSearchParams('state=lost&queue=&videoId=-1&clipId=x&from=yesterday&text=+'));
  expect(Object.values(filter).every((value) => value === null)).toBe(true);
});
