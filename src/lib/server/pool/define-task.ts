import type * as v from 'valibot';
import type { CallProgress } from '#lib/server/stores/pool-calls.ts';

/** What a running task may use. A task writes no domain rows: its caller commits what it gives. */
export interface TaskContext {
  readonly signal: AbortSignal;
  readonly report: (progress: CallProgress) => void;
  /** Names this attempt and no other: what is written under it, a zombie of an earlier attempt can't overwrite. */
  readonly attemptId: string;
}

/** CPU-heavy work that may run on another machine: named, versioned, schema-checked at both ends. */
export interface Task<Input, Output> {
  readonly name: string;
  /** Raised with every change that an older build could not run; the last version stays for one release. */
  readonly version: number;
  readonly input: v.GenericSchema<Input>;
  readonly output: v.GenericSchema<Output>;
  readonly run: (input: Input, context: TaskContext) => Promise<Output>;
}

/** A task whose types have been checked already. */
export type AnyTask = Task<never, unknown>;

/** Declares a task; the types follow from its schemas. */
export function defineTask<Input, Output>(task: Task<Input, Output>): Task<Input, Output> {
  return task;
}

/** How a runner says that it is able to run a task. */
export function taskKey(task: { readonly name: string; readonly version: number }): string {
  return `${task.name}@${task.version}`;
}

/** A failure that another attempt can't mend; the message is for people, and survives the way back. */
export class TaskRefused extends Error {
  override readonly name = 'TaskRefused';
}
