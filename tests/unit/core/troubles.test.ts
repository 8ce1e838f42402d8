import { describe, expect, it } from 'vitest';
import { troublesOf, type KnownProcess, type SystemFacts } from '#lib/core/troubles.ts';

const QUEUES = ['default', 'media_processing', 'exports', 'temp_clips', 'background_jobs', 'maintenance'];
const process: KnownProcess = {
  ...{ role: 'worker', host: 'one', pid: 1, isLost: false },
  report: {
    ...{ queues: QUEUES, versions: {}, disk: { freeBytes: 9e9, totalBytes: 1e10 }, missingMigrations: [], model: null },
    ...{ store: { kind: 'ok', ms: 3 }, delivery: { kind: 'ok', ms: 5 }, listen: { kind: 'ok', ms: 2 } },
  },
};
const facts: SystemFacts = {
  ...{ queues: QUEUES, processes: [process], minFreeBytes: 5e8, missingMigrations: [] },
  ...{ database: { connections: 20, allowed: 100, oldestTransactionMs: 40 }, boots: { failures: 0, lastFailure: null } },
  ...{ machines: [{ slot: 1, region: 'iad', reach: { kind: 'ok', ms: 9 } }], temporaryClips: { failures: 2, lastError: 'no.' } },
};
const reporting = (changes: Partial<KnownProcess['report']>): SystemFacts => ({
  ...facts,
  processes: [{ ...process, report: { ...process.report, ...changes } }],
});
const said = (changed: SystemFacts) => troublesOf(changed).map(({ what }) => what);

describe('troubles of the system', () => {
  it('are none when all is well', () => {
    expect(troublesOf(facts)).toEqual([]);
  });

  it('name a queue that nobody works on, and say what does not happen', () => {
    expect(troublesOf(reporting({ queues: QUEUES.filter((name) => name !== 'temp_clips') }))).toEqual([
      {
        what: 'Nobody works on the queue temp_clips: clips don’t play.',
        cure: 'Start a worker, or add temp_clips to JOB_QUEUES of one.',
        anchor: 'jobs-dont-run',
      },
    ]);
  });

  it('count a process that has gone silent as not there', () => {
    expect(said({ ...facts, processes: [{ ...process, isLost: true }] })).toHaveLength(5);
  });

  it('name who can’t reach store, delivery or notifications', () => {
    expect(said(reporting({ store: { kind: 'failed', reason: 'refused.' } }))).toEqual([
      'The object store can’t be reached by the worker on one: refused.',
    ]);
    expect(said(reporting({ delivery: { kind: 'failed', reason: '403.' } }))).toEqual([
      'Signed files can’t be fetched by the worker on one: 403.',
    ]);
    expect(said(reporting({ listen: { kind: 'ok', ms: 4_000 } }))).toEqual(['Live changes come late or not at all to the worker on one.']);
    expect(said(reporting({ listen: null }))).toEqual([]);
  });

  it('name a machine of the pool that can’t reach the store, and say so when clips fail in a row', () => {
    expect(said({ ...facts, machines: [{ slot: 2, region: 'lhr', reach: { kind: 'failed', reason: 'refused.' } }] })).toEqual([
      'The object store can’t be reached by the machine on slot 2 in lhr: refused.',
    ]);
    expect(said({ ...facts, temporaryClips: { failures: 3, lastError: 'There is no proxy.' } })).toEqual([
      'Clips don’t play: the last 3 cuts for it have failed: There is no proxy.',
    ]);
  });

  it('tell of full disks, missing migrations, failing boots and a crowded database', () => {
    expect(said(reporting({ disk: { freeBytes: 1e8, totalBytes: 1e10 } }))).toEqual(['The disk of the worker on one is nearly full.']);
    expect(said({ ...facts, missingMigrations: ['0099-more'] })).toEqual(['The database lacks 0099-more.']);
    expect(said({ ...facts, boots: { failures: 3, lastFailure: 'not booted: no room' } })).toEqual([
      'Machines don’t boot, 3 times in a row: not booted: no room.',
    ]);
    expect(said({ ...facts, database: { connections: 90, allowed: 100, oldestTransactionMs: 700_000 } })).toHaveLength(2);
  });
});
