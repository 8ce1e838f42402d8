import type { AnyTask } from '#lib/server/pool/define-task.ts';
import { serveCall } from '#lib/server/pool/runner/serve-call.ts';
import { startTracing } from '#lib/server/telemetry/tracing.ts';
import { supervise } from '#lib/server/pool/runner/supervise.ts';

/**
 * What the image runs in runner mode: the supervisor of a machine, or, started by the supervisor, the
 * process of one call. The supervisor never runs a task itself: a busy or crashed task must not stop
 * the heartbeats.
 */
export function startRunner(tasks: readonly AnyTask[]): void {
  if (process.env.HEATERS_ROLE === 'call') serveCall(tasks);
  else void superviseTraced(tasks).then((exitCode) => process.exit(exitCode));
}

async function superviseTraced(tasks: readonly AnyTask[]): Promise<number> {
  const flush = await startTracing('runner');
  const exitCode = await supervise(tasks);
  await flush();
  return exitCode;
}
