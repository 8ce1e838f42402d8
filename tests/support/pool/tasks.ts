import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { defineTask, TaskRefused, type AnyTask } from '#lib/server/pool/define-task.ts';

/** Gives back what it gets, after a while; tells its progress on the way. */
export const echo = defineTask({
  name: 'echo',
  version: 1,
  input: v.object({ text: v.string(), ms: v.optional(v.number()) }),
  output: v.object({ text: v.string(), attemptId: v.string(), pid: v.number() }),
  async run({ text, ms = 0 }, { signal, report, attemptId }) {
    const startedAtMs = performance.now();
    for (let doneMs = 0; doneMs < ms; doneMs = performance.now() - startedAtMs) {
      report({ percent: (100 * doneMs) / ms, fps: null, etaMs: ms - doneMs });
      await sleep(Math.min(20, ms - doneMs), undefined, { signal });
    }
    return { text, attemptId, pid: process.pid };
  },
});

/** Ends in each of the ways in which a task can go wrong. */
export const misbehave = defineTask({
  name: 'misbehave',
  version: 1,
  input: v.object({
    how: v.picklist(['throw', 'refuse', 'exit', 'segfault', 'spin', 'deaf-child', 'nonsense']),
    logPath: v.optional(v.string()),
  }),
  output: v.object({}),
  async run({ how, logPath }) {
    if (logPath !== undefined) appendFileSync(logPath, `${process.pid}\n`);
    if (how === 'throw') throw new Error('It went wrong.');
    if (how === 'refuse') throw new TaskRefused('This is no video.');
    if (how === 'exit') process.exit(7);
    if (how === 'segfault') process.kill(process.pid, 'SIGSEGV');
    if (how === 'spin') for (;;) Math.random();
    if (how === 'nonsense') process.stdout.write('not json\n');
    if (how === 'deaf-child') {
      process.on('SIGTERM', () => undefined);
      const child = spawn('sh', ['-c', 'trap "" TERM; while true; do sleep 0.1; done']);
      if (logPath !== undefined) appendFileSync(logPath, `${child.pid}\n`);
    }
    await sleep(60_000);
    return {};
  },
});

/** The tasks of the test image. */
export const TEST_TASKS: readonly AnyTask[] = [echo, misbehave] as unknown as readonly AnyTask[];
