import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { connect, type Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { localMachineId } from '#lib/server/pool/backends/local.ts';
import type { Call } from '#lib/server/pool/protocol.ts';
import { taskKey, type AnyTask } from '#lib/server/pool/define-task.ts';
import { CallProcess } from '#lib/server/pool/runner/call-process.ts';
import {
  callsToStop,
  claimCall,
  finishCall,
  recordCallProgress,
  type CallOutcome,
  type CallProgress,
  type ClaimedCall,
  type RunnerIdentity,
} from '#lib/server/stores/pool-calls.ts';
import { noteStoreReach } from '#lib/server/pool/runner/note-store-reach.ts';
import { withLogFields } from '#lib/server/telemetry/log-fields.ts';
import { inSpan, noteOnSpan, traceparent } from '#lib/server/telemetry/tracing.ts';
import { heartbeat, leaveWhenIdle, registerRunner, type Registration } from '#lib/server/stores/pool-runners.ts';
import { hint, POOL_CHANNEL, type PoolHint } from '#lib/server/stores/pools.ts';

const Environment = v.object({
  DATABASE_URL: v.string(),
  RUNNER_ID: v.pipe(v.string(), v.transform(Number)),
  RUNNER_TOKEN: v.string(),
  /** How long calls may go on after the machine is told to stop. */
  RUNNER_STOP_GRACE_MS: v.pipe(v.optional(v.string(), '0'), v.transform(Number)),
  /** The process that this machine is to end with. */
  HEATERS_LAUNCHER_PID: v.optional(v.pipe(v.string(), v.transform(Number))),
});

const REGISTRATION_PATIENCE_MS = 20_000;
const POLL_MS = 2_000;
const PROGRESS_INTERVAL_MS = 350;

/** A call that runs here. */
interface RunningCall {
  readonly call: ClaimedCall;
  readonly process: CallProcess;
  /** Aborted with the outcome to store. */
  readonly stopping: AbortController;
}

/**
 * The supervisor of a machine: registers, claims calls, runs each in a process of its own, and leaves
 * when it is idle, no longer registered, out of touch with the database, or told to. Gives the exit
 * code of the process; 0 for leaving as it should.
 */
export async function supervise(tasks: readonly AnyTask[]): Promise<number> {
  const env = v.parse(Environment, process.env);
  // One connection to work with, one to listen.
  const sql = connect(env.DATABASE_URL, 1);
  const identity = { runnerId: env.RUNNER_ID, tokenHash: createHash('sha256').update(env.RUNNER_TOKEN).digest() };
  // The process of the first call loads while this one registers.
  const spare = new CallProcess();
  const machineId = process.env.FLY_MACHINE_ID ?? (await localMachineId(process.pid));
  const stopMetrics = process.env.METRICS_PORT ? await serveRunnerMetrics() : () => undefined;
  const registration = await register(sql, identity, machineId, tasks.map(taskKey));
  if (registration === null) {
    spare.end();
    log.error('this runner is not expected: it leaves');
    return 3;
  }
  return new Supervisor(sql, identity, registration, spare, env.RUNNER_STOP_GRACE_MS, env.HEATERS_LAUNCHER_PID).run().finally(stopMetrics);
}

/** Loaded only where metrics are asked for: a machine should be ready soon. */
async function serveRunnerMetrics(): Promise<() => void> {
  const [{ serveMetrics }, { metricsText }] = await Promise.all([
    import('#lib/server/telemetry/serve-metrics.ts'),
    import('#lib/server/telemetry/metrics.ts'),
  ]);
  return serveMetrics(() => metricsText());
}

async function register(sql: Database, identity: RunnerIdentity, machineId: string, tasks: string[]): Promise<Registration | null> {
  const patience = AbortSignal.timeout(REGISTRATION_PATIENCE_MS);
  while (!patience.aborted) {
    const machine = { machineId, tasks, processAgeMs: performance.now() };
    const registered = await within(registerRunner(sql, identity, machine), patience).catch((error: unknown) => {
      log.warn({ err: error }, 'registering failed');
      return 'failed' as const;
    });
    if (registered !== 'failed') return registered;
    await sleep(500);
  }
  return null;
}

class Supervisor {
  readonly #sql: Database;
  readonly #identity: RunnerIdentity;
  #registration: Registration;
  readonly #stopGraceMs: number;
  readonly #launcherPid: number | undefined;
  readonly #log;
  readonly #running = new Map<number, RunningCall>();
  #spare: CallProcess;
  /** Set once it leaves: with the exit code. */
  #exitCode: number | null = null;
  #isDraining = false;
  #lastHeardMs = performance.now();
  #idleSinceMs = performance.now();
  #wake: () => void = () => undefined;

  constructor(
    sql: Database,
    identity: RunnerIdentity,
    registration: Registration,
    spare: CallProcess,
    stopGraceMs: number,
    launcherPid?: number,
  ) {
    this.#sql = sql;
    this.#identity = identity;
    this.#registration = registration;
    this.#stopGraceMs = stopGraceMs;
    this.#launcherPid = launcherPid;
    this.#log = log.child({ runnerId: identity.runnerId, pool: registration.pool });
    this.#spare = spare;
  }

  async run(): Promise<number> {
    process.once('SIGTERM', () => this.#stopSoon());
    process.once('SIGINT', () => this.#stopSoon());
    const beat = setInterval(() => void this.#heartbeat(), Math.min(5_000, this.#registration.leaseMs / 6));
    const watch = setInterval(() => {
      this.#checkLease();
      this.#checkLauncher();
    }, 500);
    void this.#sql
      .listen(
        POOL_CHANNEL,
        (text) => this.#onHint(JSON.parse(text) as PoolHint),
        () => this.#wake(),
      )
      .catch((error: unknown) => this.#log.warn({ err: error }, 'no notifications; polling goes on'));
    await hint(this.#sql, { kind: 'pool-changed' }).catch(() => undefined);
    this.#log.info('ready');
    // On this computer the processes that report have said it already.
    if (process.env.FLY_MACHINE_ID) {
      void noteStoreReach(this.#sql, this.#identity).catch((error: unknown) =>
        this.#log.warn({ err: error }, 'how it reaches the store was not noted'),
      );
    }

    while (this.#exitCode === null) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      try {
        if (await this.#startNext()) continue;
        if (await this.#mayLeave()) this.#leave(0);
      } catch (error) {
        this.#log.warn({ err: error }, 'the ledger could not be reached');
        await sleep(500);
      }
      await Promise.race([woken, sleep(this.#msUntilNextLook())]);
    }
    clearInterval(beat);
    clearInterval(watch);
    for (const { process: callProcess } of this.#running.values()) callProcess.end();
    this.#spare.end();
    await Promise.race([hint(this.#sql, { kind: 'pool-changed' }).catch(() => undefined), sleep(1_000)]);
    this.#log.info({ exitCode: this.#exitCode }, 'leaving');
    return this.#exitCode;
  }

  #leave(exitCode: number): void {
    this.#exitCode ??= exitCode;
    this.#wake();
  }

  #msUntilNextLook(): number {
    if (this.#running.size > 0) return POLL_MS;
    return Math.max(20, Math.min(POLL_MS, this.#registration.idleShutdownMs - (performance.now() - this.#idleSinceMs)));
  }

  /** Claims a call and starts it. False when there is no place, or nothing to do. */
  async #startNext(): Promise<boolean> {
    if (this.#isDraining || this.#running.size >= this.#registration.concurrency) return false;
    const call = await claimCall(this.#sql, this.#identity);
    if (call === null) return false;
    const running: RunningCall = { call, process: this.#spare.isAlive ? this.#spare : new CallProcess(), stopping: new AbortController() };
    this.#spare = new CallProcess();
    this.#running.set(call.id, running);
    void this.#runCall(running).finally(() => {
      this.#running.delete(call.id);
      this.#idleSinceMs = performance.now();
      this.#wake();
    });
    return true;
  }

  async #mayLeave(): Promise<boolean> {
    if (this.#running.size > 0) return false;
    if (this.#isDraining) return leaveWhenIdle(this.#sql, this.#identity, 'forced');
    const idleMs = performance.now() - this.#idleSinceMs;
    if (idleMs < this.#registration.idleShutdownMs) return false;
    if (await leaveWhenIdle(this.#sql, this.#identity, 'idle')) return true;
    this.#idleSinceMs = performance.now();
    return false;
  }

  #runCall(running: RunningCall): Promise<void> {
    const { id: callId, idemKey: jobId, task, subject, traceparent: parent } = running.call;
    const ids = { callId, jobId, ...(subject === null ? {} : { subject }) };
    const span = { kind: 'CONSUMER', attributes: { ...ids, runnerId: this.#identity.runnerId }, parent: parent ?? undefined } as const;
    return withLogFields(ids, () => inSpan(`runner ${task}`, span, () => this.#runClaimed(running, ids)));
  }

  async #runClaimed({ call, process, stopping }: RunningCall, ids: Call['logFields']): Promise<void> {
    const logger = this.#log.child({ fence: call.fence, task: call.task });
    const progress = this.#throttledProgress(call, stopping);
    const deadline = setTimeout(() => {
      const error = `${call.task} took longer than ${Math.round(call.timeoutMs / 1000)} s and was stopped.`;
      stopping.abort({ kind: 'failed', error, isRefusal: false } satisfies CallOutcome);
    }, call.timeoutMs);
    logger.info('call started');
    const { task, version, input } = call;
    const parent = traceparent();
    const asked: Call = {
      ...{ task, version, input, attemptId: `${call.id}-${call.fence}`, logFields: ids },
      ...(parent === undefined ? {} : { traceparent: parent }),
    };
    const startedMs = performance.now();
    const { outcome: ended, usage } = await process.run(asked, stopping.signal, progress.report);
    clearTimeout(deadline);
    progress.stop();
    const outcome = stopping.signal.aborted && ended.kind !== 'done' ? (stopping.signal.reason as CallOutcome) : ended;
    noteOnSpan({ outcome: outcome.kind });
    logger.info({ outcome: outcome.kind, ms: Math.round(performance.now() - startedMs) }, 'call ended');
    // As long as the lease holds, nobody else writes: the result waits for the database.
    while (this.#isLeaseHeld()) {
      try {
        if (!(await finishCall(this.#sql, call, outcome, usage))) logger.warn('the call belongs to another runner by now');
        return;
      } catch (error) {
        logger.warn({ err: error }, 'the outcome could not be stored yet');
        await sleep(300);
      }
    }
  }

  #throttledProgress(call: ClaimedCall, stopping: AbortController) {
    let latest: CallProgress | null = null;
    let isSending = false;
    const timer = setInterval(() => {
      if (latest === null || isSending) return;
      const { percent, fps, etaMs } = latest;
      latest = null;
      isSending = true;
      recordCallProgress(this.#sql, call, { percent, fps, etaMs })
        .then((isOurs) => {
          if (!isOurs) stopping.abort({ kind: 'cancelled' } satisfies CallOutcome);
        })
        .catch((error: unknown) => this.#log.debug({ err: error }, 'progress was not stored'))
        .finally(() => (isSending = false));
    }, PROGRESS_INTERVAL_MS);
    return { report: (progress: CallProgress) => void (latest = progress), stop: () => clearInterval(timer) };
  }

  #onHint(message: PoolHint): void {
    if (message.kind === 'call-cancelled') void this.#stopCancelled().catch(() => undefined);
    else if (message.kind === 'call-queued') this.#wake();
    // It may be told to leave, or the pool's settings are others now.
    else if (message.kind === 'pool-changed') void this.#heartbeat().then(() => this.#wake());
  }

  async #stopCancelled(): Promise<void> {
    if (this.#running.size === 0) return;
    for (const { id, isCancelled } of await callsToStop(this.#sql, this.#identity.runnerId)) {
      if (isCancelled) this.#running.get(id)?.stopping.abort({ kind: 'cancelled' } satisfies CallOutcome);
    }
  }

  async #heartbeat(): Promise<void> {
    const askedMs = performance.now();
    try {
      const answer = await heartbeat(this.#sql, this.#identity);
      if (answer === null) {
        this.#log.warn('this runner is no longer registered');
        this.#leave(3);
        return;
      }
      // From when it was asked: the lease began no earlier.
      this.#lastHeardMs = askedMs;
      const { concurrency, idleShutdownMs } = answer;
      this.#registration = { ...this.#registration, concurrency, idleShutdownMs };
      if ((answer.state === 'draining' || answer.isOutdated) && !this.#isDraining) {
        this.#isDraining = true;
        this.#wake();
      }
      await this.#stopCancelled();
    } catch (error) {
      this.#log.warn({ err: error }, 'a heartbeat failed');
    }
  }

  #isLeaseHeld(): boolean {
    return performance.now() - this.#lastHeardMs < this.#registration.leaseMs;
  }

  /** Stops everything a little before another runner may get the calls. */
  #checkLease(): void {
    if (performance.now() - this.#lastHeardMs < this.#registration.leaseMs * 0.8) return;
    this.#log.error('the database has been out of reach for a lease: this runner stops');
    this.#leave(4);
  }

  #checkLauncher(): void {
    if (this.#launcherPid === undefined || isAlive(this.#launcherPid)) return;
    this.#log.info('whoever started the app has ended: this runner ends too');
    this.#leave(0);
  }

  /** Told to stop: calls may end within the grace, the others are given back. */
  #stopSoon(): void {
    this.#isDraining = true;
    this.#wake();
    setTimeout(() => {
      for (const { stopping } of this.#running.values()) {
        stopping.abort({ kind: 'returned', reason: 'The machine was told to stop.', isOutOfMemory: false } satisfies CallOutcome);
      }
    }, this.#stopGraceMs);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The promise's value, unless the signal comes first. */
async function within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
  return Promise.race([promise, aborted]);
}
