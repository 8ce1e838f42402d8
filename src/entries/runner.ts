import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { log } from '#lib/server/log.ts';
import { TaskRefused } from '#lib/server/pool/define-task.ts';
import { CallSchema, type RunnerMessage } from '#lib/server/pool/protocol.ts';
import { findTask } from '#lib/server/pool/tasks.ts';

// A runner: one call from stdin, its progress and result to stdout. No HTTP, no queue, no database.
const stopping = new AbortController();
const stop = (reason: string) => {
  stopping.abort(new Error(reason));
  // Children share this process group: none may outlive it.
  setTimeout(() => process.kill(-process.pid, 'SIGKILL'), 2_000).unref();
};
process.once('SIGTERM', () => stop('The runner was told to stop.'));

const say = (message: RunnerMessage) => process.stdout.write(`${JSON.stringify(message)}\n`);
const lines = createInterface({ input: process.stdin });
lines.once('close', () => stop('The process that asked for this call is gone.'));
lines.once('line', (line) => {
  void run(line).then(
    () => process.stdout.write('', () => process.exit(0)),
    () => process.exit(1),
  );
});

async function run(line: string): Promise<void> {
  try {
    const call = v.parse(CallSchema, JSON.parse(line));
    const task = findTask(call.task, call.version);
    if (task === undefined) throw new Error(`This build has no task ${call.task} of version ${call.version}.`);
    const output = await task.run(v.parse(task.input, call.input), {
      signal: stopping.signal,
      report: (progress) => say({ type: 'progress', ...progress }),
    });
    say({ type: 'result', output });
  } catch (error) {
    log.error({ err: error }, 'the call failed');
    say({ type: 'error', isRefusal: error instanceof TaskRefused, message: error instanceof Error ? error.message : String(error) });
  }
}
