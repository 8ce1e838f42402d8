import * as v from 'valibot';
import { runInProcess } from '#lib/server/pool/local-backend.ts';
import { TaskRefused, type Task, type TaskProgress } from '#lib/server/pool/define-task.ts';

export { TaskRefused };

/**
 * Runs a task away from this process and gives its output.
 *
 * Throws `TaskRefused` for what no further attempt can mend, the signal's reason when aborted, and
 * `Error` for anything else. Whatever happens, no process of the call is left.
 */
export async function callTask<Input, Output>(
  task: Task<Input, Output>,
  input: Input,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number; readonly onProgress?: (progress: TaskProgress) => void },
): Promise<Output> {
  const call = { task: task.name, version: task.version, input: v.parse(task.input, input) };
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  const output = await runInProcess(call, signal, options.onProgress ?? (() => undefined));
  return v.parse(task.output, output);
}
