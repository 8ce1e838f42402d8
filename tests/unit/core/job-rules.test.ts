import { describe, expect, it } from 'vitest';
import { actionsFor, JOB_ACTIONS, JOB_STATES, queueProblems, statesFor, whyWaiting } from '#lib/core/job-rules.ts';

describe('what a job’s state allows', () => {
  it('is the same, asked by state or by action', () => {
    for (const state of JOB_STATES) {
      expect(actionsFor(state)).toEqual(expect.arrayContaining(JOB_ACTIONS.filter((action) => statesFor(action).includes(state))));
    }
    expect(statesFor('retry')).toEqual(['failed', 'cancelled']);
  });

  it('never lets what runs be deleted or tried again beside itself', () => {
    expect(actionsFor('active')).toEqual(['cancel']);
  });
});

describe('why a job waits', () => {
  const next = { queue: 'exports', isPaused: false, processCount: 1, placeCount: 8, runningCount: 0, startsInMs: -5, aheadCount: 0 };
  it.each([
    ['is paused', { isPaused: true, processCount: 0 }],
    ['No process works', { processCount: 0, placeCount: 0 }],
    ['not due yet', { startsInMs: 3_000 }],
    ['One job is before it', { aheadCount: 1 }],
    ['All 8 places', { runningCount: 8 }],
    ['starts in a moment', {}],
  ])('%s', (words, changes) => expect(whyWaiting({ ...next, ...changes })).toContain(words));
});

describe('what is wrong with queues', () => {
  const NOW = 10_000_000;
  const fine = { name: 'default', isPaused: false, waitingCount: 0, processCount: 1 };
  const dispatch = { key: 'dispatch', queue: 'default', everyMs: 60_000, lastRunMs: NOW - 50_000, isLastFailed: false };
  const problems = (queue = {}, schedule = {}, sinceMs = 0) =>
    queueProblems([{ ...fine, ...queue }], [{ ...dispatch, ...schedule }], NOW, sinceMs);

  it('is nothing when schedules run', () => expect(problems()).toEqual([]));
  it('is that nobody runs default, whatever waits', () =>
    expect(problems({ processCount: 0 })).toEqual([expect.stringContaining('Nobody runs `default`')]));
  it('is a queue that has jobs and no process, and not one that has none', () => {
    expect(problems({ name: 'exports', processCount: 0, waitingCount: 2 })[0]).toContain('JOB_QUEUES');
    expect(problems({ name: 'exports', processCount: 0 })).toEqual([]);
  });
  it('is a schedule that has missed three runs, but not right after a process has come', () => {
    expect(problems({}, { lastRunMs: NOW - 200_000 })).toEqual([expect.stringContaining('should have run')]);
    expect(problems({}, { lastRunMs: NOW - 200_000 }, NOW - 10_000)).toEqual([]);
  });
  it('is a schedule whose last run has failed', () =>
    expect(problems({}, { isLastFailed: true })).toEqual([expect.stringContaining('has failed')]));
});
