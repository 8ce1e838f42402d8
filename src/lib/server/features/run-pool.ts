import { RUNNER_POOL } from '#lib/jobs/stages.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { recordAudit } from '#lib/server/stores/audit.ts';
import { drainRunner, findRunner, requestStop, type RunnerRow } from '#lib/server/stores/pool-runners.ts';
import { changePoolSettings, endWarmth, hint, lockPool, logPoolEvent, setPoolPaused, warmPool } from '#lib/server/stores/pools.ts';
import type { PoolRow, PoolSettings } from '#lib/server/stores/pools.ts';

/** What came of an admin's wish; `message` is for them. */
export type PoolOutcome = { readonly kind: 'ok'; readonly message: string } | { readonly kind: 'refused'; readonly message: string };

// The web node has no machines: what is wished is written to the ledger, and whichever parent looks next does it.

/** Lets a machine finish its calls, takes no more to it, and lets it go. */
export function drainMachine(sql: Database, actor: Actor, runnerId: number): Promise<PoolOutcome> {
  return withMachine(sql, runnerId, async (tx, runner) => {
    if (runner.state === 'draining') return refused('It is on its way out already.');
    if (runner.state !== 'ready') return refused('It is still booting: wait until it is ready, or stop it.');
    await drainRunner(tx, runnerId);
    await note(tx, actor, runner, { kind: 'drain', action: 'machine.drain', message: `${actor.name} drains it.` });
    return { kind: 'ok', message: `The machine of slot ${runner.slot} takes no more calls and leaves after those it has.` };
  });
}

/** Ends a machine at once; its calls run again elsewhere. */
export function stopMachine(sql: Database, actor: Actor, runnerId: number): Promise<PoolOutcome> {
  return withMachine(sql, runnerId, async (tx, runner) => {
    if (runner.stopRequestedBy !== null) return refused('It is being stopped already.');
    await requestStop(tx, runnerId, actor.name);
    await note(tx, actor, runner, { kind: 'destroy', action: 'machine.stop', message: `${actor.name} stops it.` });
    return { kind: 'ok', message: `The machine of slot ${runner.slot} is being stopped; its call runs again elsewhere.` };
  });
}

/** Changes how the pool is set, for machines that run as well. */
export function changePool(sql: Database, actor: Actor, settings: PoolSettings): Promise<PoolOutcome> {
  return withPool(sql, async (tx, pool) => {
    const names = Object.keys(settings) as (keyof PoolSettings)[];
    const changed = names.filter((name) => JSON.stringify(pool[name]) !== JSON.stringify(settings[name]));
    if (changed.length === 0) return { kind: 'ok', message: 'It is set like that already.' };
    const pick = (from: PoolSettings) => Object.fromEntries(changed.map((name) => [name, from[name]]));
    await changePoolSettings(tx, RUNNER_POOL, settings);
    const words = changed.map((name) => `${SETTING_NAMES[name]} ${said(pool[name])} → ${said(settings[name])}`).join(', ');
    await notePool(tx, actor, {
      ...{ kind: 'settings', action: 'pool.change', message: `${actor.name} changes ${words}.` },
      details: { before: pick(pool), after: pick(settings) },
    });
    return { kind: 'ok', message: `Changed: ${words}.` };
  });
}

/** Holds the pool: no call begins and no machine is added; those that run go on. Or lets it go on. */
export function pausePool(sql: Database, actor: Actor, isPaused: boolean): Promise<PoolOutcome> {
  return withPool(sql, async (tx, pool) => {
    if (pool.isPaused === isPaused) return refused(isPaused ? 'It is paused already.' : 'It is not paused.');
    await setPoolPaused(tx, RUNNER_POOL, isPaused);
    const [kind, verb] = isPaused ? ['pause', 'pauses'] : ['resume', 'resumes'];
    await notePool(tx, actor, { kind, action: `pool.${kind}`, message: `${actor.name} ${verb} the pool.` });
    return { kind: 'ok', message: isPaused ? 'Paused: calls that run go on, none begins.' : 'The pool goes on.' };
  });
}

/** Keeps at least one machine for some minutes; 0 ends that. */
export function keepWarm(sql: Database, actor: Actor, minutes: number): Promise<PoolOutcome> {
  return withPool(sql, async (tx) => {
    if (minutes === 0) await endWarmth(tx, RUNNER_POOL);
    else await warmPool(tx, RUNNER_POOL, minutes * 60_000);
    const message =
      minutes === 0 ? `${actor.name} needs no warm machine any more.` : `${actor.name} keeps one warm for ${minutes} minutes.`;
    await notePool(tx, actor, { kind: 'warm', action: 'pool.warm', message, details: { minutes } });
    return { kind: 'ok', message: minutes === 0 ? 'The machine leaves once it is idle.' : `One machine is kept for ${minutes} minutes.` };
  });
}

const SETTING_NAMES: Readonly<Record<keyof PoolSettings, string>> = {
  minMachines: 'the minimum',
  maxMachines: 'the maximum',
  concurrency: 'calls a machine',
  idleShutdownMs: 'the idle time in ms',
  spendCapUsd: 'the cap in $',
  regions: 'the regions',
};

function said(value: PoolSettings[keyof PoolSettings]): string {
  if (value === null) return 'none';
  return typeof value === 'number' ? String(value) : value.join(', ') || 'the parent’s own';
}

interface Note {
  readonly kind: string;
  readonly action: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

async function withMachine(
  sql: Database,
  runnerId: number,
  act: (tx: Transaction, runner: RunnerRow) => Promise<PoolOutcome>,
): Promise<PoolOutcome> {
  return withPool(sql, async (tx) => {
    const runner = await findRunner(tx, runnerId);
    return runner === null || runner.state === 'gone' ? refused('That machine is gone.') : act(tx, runner);
  });
}

/** In a transaction that nobody else decides beside: the pool's row is locked first, as its parents do. */
async function withPool(sql: Database, act: (tx: Transaction, pool: PoolRow) => Promise<PoolOutcome>): Promise<PoolOutcome> {
  return (await sql.begin(async (tx) => act(tx, await lockPool(tx, RUNNER_POOL)))) as PoolOutcome;
}

async function note(tx: Transaction, actor: Actor, runner: RunnerRow, { kind, action, message }: Note): Promise<void> {
  await logPoolEvent(tx, { pool: runner.pool, kind, runnerId: runner.id, message });
  const details = { slot: runner.slot, machineId: runner.machineId, state: runner.state };
  await recordAudit(tx, { actor, action, target: `machine:${runner.id}`, details });
  await hint(tx, { kind: 'pool-changed' });
}

async function notePool(tx: Transaction, actor: Actor, { kind, action, message, details = {} }: Note): Promise<void> {
  await logPoolEvent(tx, { pool: RUNNER_POOL, kind, message });
  await recordAudit(tx, { actor, action, target: `pool:${RUNNER_POOL}`, details });
  await hint(tx, { kind: 'pool-changed' });
}

function refused(message: string): PoolOutcome {
  return { kind: 'refused', message };
}
