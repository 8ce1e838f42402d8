import * as v from 'valibot';
import { connect, type Database, type Transaction } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import type { Task } from '#lib/server/pool/define-task.ts';
import { TaskRefused } from '#lib/server/pool/define-task.ts';
import { coalesced } from '#lib/core/coalesced.ts';
import { PoolManager, type ManagerOptions } from '#lib/server/pool/manager.ts';
import { callsById, cancelCall, commitCall, submitCall, type CallProgress, type CallView } from '#lib/server/stores/pool-calls.ts';
import { addFfmpegUsage } from '#lib/server/telemetry/ffmpeg-usage.ts';
import { inSpan, traceparent } from '#lib/server/telemetry/tracing.ts';
import { POOL_CHANNEL, type PoolHint } from '#lib/server/stores/pools.ts';

export { TaskRefused };

/** How a task is called. */
export interface CallOptions {
  readonly pool: string;
  /** Names the work: the same key attaches to the same call, also from another parent. */
  readonly idemKey: string;
  /** What it is about, such as `video:12`: see `cancelCallsAbout`. */
  readonly subject: string | null;
  readonly priority: number;
  /** How long the task may run, in milliseconds; waiting for a machine does not count. */
  readonly timeoutMs: number;
  /** Cancels the call, unless its reason is `ParentStops`: then the call goes on without this parent. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: CallProgress) => void;
}

/** A task's result, to be committed together with what is made of it. */
export interface CallResult<Output> {
  readonly output: Output;
  /** Takes the result, under its fence. Throws `CallTaken` when another parent has: then write nothing. */
  readonly commit: (tx: Transaction) => Promise<void>;
}

/** Why a parent lets go of a call that is to go on. */
export class ParentStops extends Error {
  override readonly name = 'ParentStops';
}

/** The call's result has been committed already, by this or another parent. */
export class CallTaken extends Error {
  override readonly name = 'CallTaken';
}

interface Waiter {
  readonly settle: (call: CallView) => void;
  readonly onProgress: CallOptions['onProgress'];
}

const POLL_MS = 2_000;

/** A parent of the pools: hands in calls, waits for them, and helps to keep the machines. */
export class Pool {
  readonly #sql: Database;
  readonly #databaseUrl: string;
  readonly #manager: PoolManager;
  readonly #waiters = new Map<number, Set<Waiter>>();
  #listener: Database | undefined;
  #poll: NodeJS.Timeout | undefined;

  /** `databaseUrl` is for the LISTEN connection. */
  constructor(databaseUrl: string, options: ManagerOptions) {
    this.#sql = options.sql;
    this.#databaseUrl = databaseUrl;
    this.#manager = new PoolManager(options);
  }

  /** Listens, and begins to look after the pools. */
  async start(): Promise<void> {
    this.#listener = connect(this.#databaseUrl, 1);
    await this.#listener.listen(
      POOL_CHANNEL,
      (text) => this.#onHint(JSON.parse(text) as PoolHint),
      () => void this.#look(),
    );
    this.#poll = setInterval(() => void this.#look(), POLL_MS);
    this.#manager.start();
  }

  /** Lets go. Calls under way go on where their machines do. */
  async stop(): Promise<void> {
    clearInterval(this.#poll);
    await this.#manager.stop();
    await this.#listener?.end({ timeout: 1 });
  }

  /**
   * Runs a task on a machine of its pool, or attaches to its call that runs already, and gives the result.
   *
   * Throws `TaskRefused` for what no further attempt can mend, `CallTaken` when the result has been
   * committed, the signal's reason when aborted, and `Error` for anything else.
   */
  call<Input, Output>(task: Task<Input, Output>, input: Input, options: CallOptions): Promise<CallResult<Output>> {
    return inSpan(`call ${task.name}`, { kind: 'PRODUCER' }, () => this.#call(task, input, options));
  }

  async #call<Input, Output>(task: Task<Input, Output>, input: Input, options: CallOptions): Promise<CallResult<Output>> {
    const { signal, onProgress, ...rest } = options;
    signal.throwIfAborted();
    const callId = await submitCall(this.#sql, {
      ...rest,
      task: task.name,
      version: task.version,
      input: v.parse(task.input, input),
      traceparent: traceparent() ?? null,
    });
    const call = await this.#settled(callId, signal, onProgress);
    if (call.state === 'committed') throw new CallTaken(`Call ${callId} has been committed.`);
    if (call.state === 'cancelled') {
      signal.throwIfAborted();
      throw new Error(`${task.name} was cancelled.`);
    }
    if (call.state === 'failed') throw call.isRefusal ? new TaskRefused(call.error ?? '') : new Error(call.error ?? `${task.name} failed.`);
    const fence = call.fence!;
    return {
      output: v.parse(task.output, call.output),
      commit: async (tx) => {
        if (!(await commitCall(tx, callId, fence))) throw new CallTaken(`Call ${callId} has been committed.`);
        // Counted where it is committed, which happens once.
        if (call.usage !== null) addFfmpegUsage(call.usage);
      },
    };
  }

  async #settled(callId: number, signal: AbortSignal, onProgress: CallOptions['onProgress']): Promise<CallView> {
    const { promise, resolve, reject } = Promise.withResolvers<CallView>();
    const waiter: Waiter = { settle: resolve, onProgress };
    const waiters = this.#waiters.get(callId) ?? new Set();
    this.#waiters.set(callId, waiters.add(waiter));
    const onAbort = () => {
      const reason = signal.reason as Error;
      if (reason instanceof ParentStops) reject(reason);
      else cancelCall(this.#sql, callId).then(() => reject(reason), reject);
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    void this.#look();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      waiters.delete(waiter);
      if (waiters.size === 0) this.#waiters.delete(callId);
    }
  }

  #onHint(message: PoolHint): void {
    if (message.kind === 'call-queued' || message.kind === 'pool-changed') void this.#manager.look();
    else if ('callId' in message && this.#waiters.has(message.callId)) void this.#look();
  }

  /** Reads the calls that are waited for. */
  readonly #look = coalesced(() =>
    this.#read().catch((error: unknown) => log.warn({ err: error }, 'calls could not be read; polling goes on')),
  );

  async #read(): Promise<void> {
    if (this.#waiters.size === 0) return;
    const ids = [...this.#waiters.keys()];
    const calls = await callsById(this.#sql, ids);
    for (const id of ids.filter((each) => !calls.some((call) => call.id === each))) {
      for (const waiter of this.#waiters.get(id) ?? []) waiter.settle(goneCall(id));
    }
    for (const call of calls) {
      for (const waiter of this.#waiters.get(call.id) ?? []) {
        if (call.state !== 'queued' && call.state !== 'running') waiter.settle(call);
        else if (call.progress !== null) waiter.onProgress(call.progress);
      }
    }
  }
}

/** A call whose row has been removed, as its waiters see it. */
function goneCall(id: number): CallView {
  return { id, state: 'cancelled', fence: null, progress: null, output: null, error: null, isRefusal: false, usage: null };
}
