import type * as v from 'valibot';

/** How far a task is. */
export interface TaskProgress {
  readonly percent: number | null;
  readonly fps: number | null;
  readonly etaMs: number | null;
}

/** What a running task may use. A task writes no domain rows: its caller commits what it gives. */
export interface TaskContext {
  readonly signal: AbortSignal;
  readonly report: (progress: TaskProgress) => void;
}

/** CPU-heavy work that may run on another machine: named, versioned, schema-checked at both ends. */
export interface Task<Input, Output> {
  readonly name: string;
  readonly version: number;
  readonly input: v.GenericSchema<Input>;
  readonly output: v.GenericSchema<Output>;
  readonly run: (input: Input, context: TaskContext) => Promise<Output>;
}

/** Declares a task; the types follow from its schemas. */
export function defineTask<Input, Output>(task: Task<Input, Output>): Task<Input, Output> {
  return task;
}

/** A failure that another attempt can't mend; the message is for people, and survives the way back. */
export class TaskRefused extends Error {
  override readonly name = 'TaskRefused';
}
