import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { spentUsd } from '#lib/core/machine-cost.ts';
import { machinesKept, planPool, type PoolPlan } from '#lib/core/pool.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { coalesced } from '#lib/core/coalesced.ts';
import { BootRefused, type MachineStatus, type RunnerBackend } from '#lib/server/pool/backends/backend.ts';
import { requeueLostCalls } from '#lib/server/stores/pool-calls.ts';
import {
  adoptBoots,
  drainRunner,
  findRunner,
  keepBoot,
  livingRunnerIds,
  machineName,
  machinesOfMonth,
  markGone,
  markMachine,
  markRequested,
  poolLoad,
  reserveSlot,
  runnerOfMachine,
  runnersToCheck,
  type RunnerRow,
} from '#lib/server/stores/pool-runners.ts';
import {
  allPools,
  delayNextBoot,
  explainPool,
  hint,
  logPoolEvent,
  resetBootDelay,
  tryLockPool,
  type PoolRow,
} from '#lib/server/stores/pools.ts';

/** How a parent runs its pools. */
export interface ManagerOptions {
  readonly sql: Database;
  readonly backend: RunnerBackend;
  /** Names this parent; no two that live at a time share it. */
  readonly parentId: string;
  /** Keeps apart those who share a provider's account. */
  readonly deployment: string;
  /** The secret that a machine of this name shows; the same for all parents, as any of them may see to its boot. */
  readonly tokenFor: (machineName: string) => string;
  /** What every runner's environment holds beside its identity. */
  readonly runnerEnv: Readonly<Record<string, string>>;
  readonly tickMs?: number;
  /** How often a machine that looks bad is looked at. */
  readonly checkMs?: number;
  readonly orphanCheckMs?: number;
}

const BOOT_LEASE_MS = 15_000;
const MOST_QUEUED = 200;

/**
 * Keeps the pools as they should be: boots, drains, and buries machines. Any number of parents may run
 * one at a time; the ledger decides who does what.
 */
export class PoolManager {
  readonly #options: Required<ManagerOptions>;
  readonly #booting = new Set<number>();
  readonly #tasks = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #orphanTimer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: ManagerOptions) {
    this.#options = { tickMs: 1_000, checkMs: 3_000, orphanCheckMs: 30_000, ...options };
    options.backend.onGone?.((machineId) => this.#track(this.#checkMachine(machineId)));
  }

  /** Begins. */
  start(): void {
    this.#timer = setInterval(() => void this.look(), this.#options.tickMs);
    this.#orphanTimer = setInterval(() => this.#track(this.#reapOrphans()), this.#options.orphanCheckMs);
    void this.look();
  }

  /** Looks at all pools soon: something has changed. */
  readonly look = coalesced(async () => {
    if (this.#isStopped) return;
    await this.#tick().catch((error: unknown) => log.warn({ err: error }, 'the pools could not be looked after'));
  });

  /** Ends, after what is under way. Machines go on unless their backend is bound to this parent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    clearInterval(this.#orphanTimer);
    await this.look();
    await Promise.race([Promise.all(this.#tasks), sleep(5_000)]);
    const { sql, backend } = this.#options;
    for (const machineId of await backend.stop()) {
      const runnerId = await runnerOfMachine(sql, machineId);
      if (runnerId !== null) await this.#bury(runnerId, null, false);
    }
  }

  async #tick(): Promise<void> {
    const { sql, backend, parentId, checkMs } = this.#options;
    for (const { name } of await allPools(sql)) {
      const reserved = (await sql.begin((tx) => this.#decide(tx, name))) as number[];
      for (const id of reserved) this.#track(this.#boot(id));
      for (const runner of await adoptBoots(sql, name, backend.name, parentId, BOOT_LEASE_MS)) this.#track(this.#boot(runner.id));
      for (const runner of await runnersToCheck(sql, name, backend.name, checkMs)) this.#track(this.#check(runner));
    }
  }

  /** Requeues, plans, and reserves, all in one transaction. Gives the machines to boot. */
  async #decide(tx: Transaction, name: string): Promise<number[]> {
    const pool = await tryLockPool(tx, name);
    if (pool === null) return [];
    for (const { callId, runnerId, message } of await requeueLostCalls(tx, name)) {
      await logPoolEvent(tx, { pool: name, kind: 'call-lost', runnerId, callId, message });
    }
    const plan = await this.#plan(tx, pool);
    await explainPool(tx, name, plan.explanation);
    for (const { runnerId, reason } of plan.drain) {
      await drainRunner(tx, runnerId);
      await logPoolEvent(tx, { pool: name, kind: 'drain', runnerId, message: reason });
    }
    const reserved: number[] = [];
    for (const { slot, memoryMb } of plan.grow) {
      const { backend, parentId } = this.#options;
      const runnerId = await reserveSlot(tx, {
        ...{ pool: name, slot, guest: { ...pool.guest, memoryMb }, image: pool.image },
        ...{ backend: backend.name, parentId, bootLeaseMs: BOOT_LEASE_MS },
      });
      reserved.push(runnerId);
      await logPoolEvent(tx, { pool: name, kind: 'grow', runnerId, message: `Slot ${slot}: ${plan.explanation}` });
    }
    if (plan.drain.length > 0) await hint(tx, { kind: 'pool-changed' });
    else if (reserved.length > 0) await hint(tx, { kind: 'machine-changed' });
    return reserved;
  }

  async #plan(tx: Transaction, pool: PoolRow): Promise<PoolPlan> {
    const { holders, queuedMemoryMb } = await poolLoad(tx, pool.name, MOST_QUEUED);
    // What was spent only matters where something may be about to be spent.
    const isSpendRead = pool.spendCapUsd !== null && (queuedMemoryMb.length > 0 || machinesKept(pool, pool.isWarm) > holders.length);
    return planPool({
      ...{ limits: pool, holders, queuedMemoryMb, isWarm: pool.isWarm, isBackingOff: pool.isBackingOff },
      spentUsd: isSpendRead ? spentUsd(await machinesOfMonth(tx, pool.name), Date.now()) : 0,
    });
  }

  /** Sees one machine through its boot, until it has a machine or certainly none. */
  async #boot(runnerId: number): Promise<void> {
    const { sql, backend, parentId, deployment, runnerEnv, tokenFor } = this.#options;
    if (this.#booting.has(runnerId)) return;
    this.#booting.add(runnerId);
    const keep = setInterval(() => void keepBoot(sql, runnerId, parentId, BOOT_LEASE_MS).catch(() => undefined), BOOT_LEASE_MS / 3);
    try {
      const runner = await findRunner(sql, runnerId);
      const pool = (await allPools(sql)).find((known) => known.name === runner?.pool);
      if (runner === null || pool === undefined || runner.state === 'gone') return;
      const name = machineName(deployment, runner);
      const token = tokenFor(name);
      await markRequested(sql, runnerId, createHash('sha256').update(token).digest());
      const machine = await backend.boot({
        ...{ name, mayExist: runner.state === 'booting', pool: runner.pool, guest: runner, regions: pool.regions, image: runner.image },
        env: { ...runnerEnv, RUNNER_ID: String(runnerId), RUNNER_TOKEN: token },
      });
      await markMachine(sql, runnerId, machine);
      await hint(sql, { kind: 'machine-changed' });
      await resetBootDelay(sql, runner.pool);
      log.info({ runnerId, machineId: machine.id, region: machine.region }, 'machine booted');
    } catch (error) {
      if (error instanceof BootRefused) await this.#bury(runnerId, `not booted: ${error.message}`, true);
      // There may be a machine: the slot stays taken, and whoever adopts the boot asks again by name.
      else log.warn({ err: error, runnerId }, 'a boot has an unknown outcome; it is looked into');
    } finally {
      clearInterval(keep);
      this.#booting.delete(runnerId);
    }
  }

  /** Looks at a machine that has left, or that should have been heard of, and ends it where it must. */
  async #check(runner: RunnerRow): Promise<void> {
    const { backend, sql } = this.#options;
    const pool = (await allPools(sql)).find((known) => known.name === runner.pool);
    if (runner.machineId === null || pool === undefined) return;
    const status = await backend.inspect(runner.machineId).catch((error: unknown): MachineStatus => {
      log.warn({ err: error, runnerId: runner.id }, 'a machine could not be inspected');
      return { state: 'alive' };
    });
    if (status.state === 'gone') {
      const isBootFailure = runner.state === 'booting' || runner.state === 'reserved';
      const failure = status.failure ?? (runner.hasLeft ? null : 'ended without a word');
      if (runner.stopRequestedBy !== null) await this.#bury(runner.id, `stopped by ${runner.stopRequestedBy}`, false);
      else await this.#bury(runner.id, failure, isBootFailure);
      return;
    }
    if (runner.stopRequestedBy !== null) {
      await backend.destroy(runner.machineId);
      return;
    }
    const isLate = (runner.state === 'booting' || runner.state === 'reserved') && runner.ageMs > pool.bootDeadlineMs;
    // Its calls are requeued when the lease ends; it gets a little longer to leave by itself.
    const isSilent = runner.silentMs !== null && runner.silentMs > pool.leaseMs * 1.5;
    if (!isLate && !isSilent) return;
    const message = isLate ? `It was not ready within ${pool.bootDeadlineMs / 1000} s.` : 'It has given no sign of life.';
    await logPoolEvent(sql, { pool: runner.pool, kind: 'destroy', runnerId: runner.id, message });
    if (isLate) await delayNextBoot(sql, runner.pool);
    await backend.destroy(runner.machineId);
  }

  async #checkMachine(machineId: string): Promise<void> {
    const runnerId = await runnerOfMachine(this.#options.sql, machineId);
    const runner = runnerId === null ? null : await findRunner(this.#options.sql, runnerId);
    if (runner !== null) await this.#check(runner);
  }

  /** Writes a machine off: its slot is free, its calls run elsewhere. */
  async #bury(runnerId: number, failure: string | null, isBootFailure: boolean): Promise<void> {
    const { sql } = this.#options;
    await sql.begin(async (tx) => {
      const runner = await findRunner(tx, runnerId);
      if (runner === null || !(await markGone(tx, runnerId, failure))) return;
      if (isBootFailure) await delayNextBoot(tx, runner.pool);
      const message = failure === null ? 'It had nothing to do.' : `It ended: ${failure}.`;
      await logPoolEvent(tx, { pool: runner.pool, kind: failure === null ? 'shrink' : 'lost', runnerId, message });
      await hint(tx, { kind: 'pool-changed' });
    });
    void this.look();
  }

  /** Ends machines of this deployment that the ledger does not know (any more). */
  async #reapOrphans(): Promise<void> {
    const { sql, backend, deployment } = this.#options;
    const bootDeadlineMs = Math.max(...(await allPools(sql)).map((pool) => pool.bootDeadlineMs));
    const machines = await backend.list();
    const known = new Set((await livingRunnerIds(sql, backend.name)).map((runner) => machineName(deployment, runner)));
    for (const machine of machines) {
      if (known.has(machine.name) || Date.now() - machine.createdAtMs < bootDeadlineMs) continue;
      log.warn({ machineId: machine.id, name: machine.name }, 'destroying a machine that nobody knows');
      await backend.destroy(machine.id);
    }
  }

  #track(task: Promise<void>): void {
    const tracked = task
      .catch((error: unknown) => log.warn({ err: error }, 'work for a pool failed; it is tried again'))
      .finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }
}
