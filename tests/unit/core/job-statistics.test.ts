import { describe, expect, it } from 'vitest';
import { binCeilingMs, durationAt, failureRate, foldChanges, periodsUntil, totalOf, type JobChange } from '#lib/core/job-statistics.ts';

const MINUTE = 60_000;
const change = (from: string | null, to: string | null, changes: Partial<JobChange> = {}): JobChange => ({
  ...{ atMs: 5 * MINUTE + 7, queue: 'exports', from, to, count: 1, waitBin: null, runBin: null },
  ...changes,
});
const period = (...changes: JobChange[]) => foldChanges(changes, MINUTE).periods[0]!;

describe('changes of jobs', () => {
  it('become counts by state: a job that came, ran and ended is one that is done', () => {
    const { counts } = foldChanges([change(null, 'created'), change('created', 'active'), change('active', 'completed')], MINUTE);
    expect(counts).toEqual([{ queue: 'exports', state: 'completed', delta: 1 }]);
  });

  it('count a failure once, though the queue deletes and inserts the job for it', () => {
    const folded = foldChanges([change('active', null), change(null, 'retry', { runBin: 9 })], MINUTE);
    expect(folded.counts).toEqual([
      { queue: 'exports', state: 'active', delta: -1 },
      { queue: 'exports', state: 'retry', delta: 1 },
    ]);
    expect(folded.periods).toEqual([expect.objectContaining({ retried: 1, failed: 0, added: 0, run: { 9: 1 } })]);
  });

  it('that people make by retrying or deleting are no failures and no new jobs', () => {
    expect(foldChanges([change('failed', 'retry'), change('completed', null), change('cancelled', 'created')], MINUTE).periods).toEqual([]);
  });

  it('fall into their minute and their queue', () => {
    const { periods } = foldChanges(
      [change(null, 'created'), change(null, 'created', { atMs: 6 * MINUTE }), change(null, 'created', { queue: 'default', count: 4 })],
      MINUTE,
    );
    expect(periods.map(({ queue, atMs, added }) => [queue, atMs / MINUTE, added])).toEqual([
      ['exports', 5, 1],
      ['exports', 6, 1],
      ['default', 5, 4],
    ]);
  });
});

describe('durations', () => {
  it('are told to within a fifth', () => {
    for (const ms of [3, 40, 950, 12_000, 3_600_000]) {
      const bin = Math.floor(4 * Math.log2(ms + 1));
      expect(binCeilingMs(bin)).toBeGreaterThanOrEqual(ms);
      expect(binCeilingMs(bin)).toBeLessThan(1.2 * ms + 1);
    }
  });

  it('of a share are those that the share did not exceed', () => {
    const { wait } = totalOf([
      period(change('created', 'active', { waitBin: 10, count: 90 })),
      period(change('created', 'active', { waitBin: 40, count: 10 })),
    ]);
    expect(durationAt(wait, 0.5)).toBe(binCeilingMs(10));
    expect(durationAt(wait, 0.95)).toBe(binCeilingMs(40));
    expect(durationAt({}, 0.5)).toBeNull();
  });
});

it('periods without jobs are there too, up to now', () => {
  const known = period(change(null, 'created'));
  const row = periodsUntil([known], 7 * MINUTE + 1, MINUTE, 4);
  expect(row.map(({ atMs, added }) => [atMs / MINUTE, added])).toEqual([
    [4, 0],
    [5, 1],
    [6, 0],
    [7, 0],
  ]);
});

it('a failure rate is of those that ended, and none where none did', () => {
  expect(failureRate({ done: 3, failed: 1 })).toBe(0.25);
  expect(failureRate({ done: 0, failed: 0 })).toBeNull();
});
