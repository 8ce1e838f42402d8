import type { StageName } from '#lib/jobs/stages.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import type { Task } from '#lib/server/pool/define-task.ts';
import type { CallResult } from '#lib/server/pool/pool.ts';
import type { StageItem, StageProgress } from '#lib/server/stores/stage-runs.ts';

/** What a stage's handler gets. It may run twice and be killed anywhere. */
export interface StageContext extends StageItem {
  readonly sql: Database;
  /** Aborted when the job is cancelled, has expired, or the worker stops. */
  readonly signal: AbortSignal;
  /** Latest value wins; throttled here, so call it as often as you like. */
  readonly report: (progress: StageProgress) => void;
  /**
   * Runs a task in the runner pool and gives its result; once for each job. A job that is tried again
   * gets the result of the call that its first attempt has made. The result is taken together with
   * what the handler commits.
   */
  readonly call: <Input, Output>(task: Task<Input, Output>, input: Input) => Promise<Output>;
  /**
   * Runs one of several tasks beside one another; `name` tells them apart. Its result is the handler's to
   * commit, together with what it makes of it. Progress and stopping are the handler's too.
   */
  readonly begin: <Input, Output>(task: Task<Input, Output>, input: Input, options: BeginOptions) => Promise<CallResult<Output>>;
}

/** How one of several tasks is called. */
export interface BeginOptions {
  readonly name: string;
  /** Stops this call, beside what stops the stage. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: StageProgress) => void;
}

/**
 * A stage: `run` does the work outside any transaction and gives what to `commit` in one, or null
 * when there is nothing (left) to do. What its failure means is in `features/settle-stage.ts`.
 */
export interface StageHandler {
  readonly run: (context: StageContext) => Promise<((tx: Transaction) => Promise<void>) | null>;
}

/** A failure that trying again can't mend; its message is shown to people. */
export class StageRefused extends Error {
  override readonly name = 'StageRefused';
}

/** All stages' handlers: a missing one does not compile. */
export type StageHandlers = Readonly<Record<StageName, StageHandler>>;
