import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { log } from '#lib/server/log.ts';
import { TaskRefused, type AnyTask } from '#lib/server/pool/define-task.ts';
import { CallSchema, type Call, type CallMessage } from '#lib/server/pool/protocol.ts';
import { ffmpegUsage } from '#lib/server/telemetry/ffmpeg-usage.ts';
import { withLogFields } from '#lib/server/telemetry/log-fields.ts';
import { inSpan, startTracing } from '#lib/server/telemetry/tracing.ts';

/**
 * The process of one call: waits for it on stdin, says its progress and result on stdout, and ends. It
 * has neither database nor the app's secret. When its stdin closes, whoever wanted the call is gone.
 */
export function serveCall(tasks: readonly AnyTask[]): void {
  const flush = startTracing('call');
  const stopping = new AbortController();
  const stop = (reason: string) => {
    stopping.abort(new Error(reason));
    // Children share this process group: none may outlive it.
    setTimeout(() => process.kill(-process.pid, 'SIGKILL'), 2_000).unref();
  };
  process.once('SIGTERM', () => stop('The call was told to stop.'));
  process.stdout.on('error', () => stop('The runner of this call is gone.'));
  const say = (message: CallMessage) => process.stdout.write(`${JSON.stringify(message)}\n`);
  const lines = createInterface({ input: process.stdin });
  let hasCall = false;
  lines.once('close', () => (hasCall ? stop('The runner of this call is gone.') : process.exit(0)));
  lines.once('line', (line) => {
    hasCall = true;
    void run(line)
      .then(() => new Promise((resolve) => process.stdout.write('', resolve)))
      .then(async () => (await flush)())
      .finally(() => process.exit(0));
  });

  async function run(line: string): Promise<void> {
    let message: CallMessage;
    try {
      const call = v.parse(CallSchema, JSON.parse(line));
      await flush;
      const span = { parent: call.traceparent };
      const output = await withLogFields(call.logFields, () => inSpan(`task ${call.task}`, span, () => runTask(call)));
      message = { type: 'result', output };
    } catch (error) {
      message = { type: 'error', isRefusal: error instanceof TaskRefused, message: error instanceof Error ? error.message : String(error) };
    }
    say({ type: 'usage', ffmpeg: ffmpegUsage() });
    say(message);
  }

  async function runTask(call: Call): Promise<unknown> {
    try {
      const task = tasks.find((known) => known.name === call.task && known.version === call.version);
      if (task === undefined) throw new Error(`This build has no task ${call.task} of version ${call.version}.`);
      return await task.run(v.parse(task.input, call.input), {
        signal: stopping.signal,
        attemptId: call.attemptId,
        report: (progress) => say({ type: 'progress', ...progress }),
      });
    } catch (error) {
      log.error({ err: error }, 'the call failed');
      throw error;
    }
  }
}
