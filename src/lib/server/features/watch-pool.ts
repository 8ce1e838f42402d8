import { bootPhases, type BootPhase } from '#lib/core/pool-history.ts';
import { machineUse, projectedUsd, spentUsd, type MachineUse } from '#lib/core/machine-cost.ts';
import { RUNNER_POOL } from '#lib/jobs/stages.ts';
import type { Sql } from '#lib/server/db.ts';
import { databaseNowMs } from '#lib/server/stores/outbox.ts';
import { machinesOfMonth } from '#lib/server/stores/pool-runners.ts';
import { poolEvents, waitingCalls, watchedMachines, workSpans, type WatchedMachine } from '#lib/server/stores/pool-watch.ts';
import { findPool } from '#lib/server/stores/pools.ts';

/** The chart's width. */
const HOURS = 6;
const MOST_WAITING = 20;
const MOST_EVENTS = 60;
/** Of these boots the typical one is taken. */
const BOOTS = 20;

/** A machine with what it has cost and how it booted. */
export type MachineView = WatchedMachine & { readonly use: MachineUse; readonly phases: readonly BootPhase[] };

/** Everything that the pool's page shows, as of `nowMs` of the database's clock. */
export async function poolPage(sql: Sql) {
  const [pool, nowMs, machines, work, waiting, events, month] = await Promise.all([
    findPool(sql, RUNNER_POOL),
    databaseNowMs(sql),
    watchedMachines(sql, RUNNER_POOL, HOURS),
    workSpans(sql, RUNNER_POOL, HOURS),
    waitingCalls(sql, RUNNER_POOL, MOST_WAITING),
    poolEvents(sql, RUNNER_POOL, MOST_EVENTS),
    machinesOfMonth(sql, RUNNER_POOL),
  ]);
  const spent = spentUsd(month, nowMs);
  const views = machines.map((machine) => viewOf(machine, nowMs));
  return {
    pool,
    nowMs,
    hours: HOURS,
    machines: views,
    work,
    waiting,
    events,
    spend: { spentUsd: spent, projectedUsd: projectedUsd(spent, nowMs) },
    typicalBoot: typicalBoot(views),
  };
}

function viewOf(machine: WatchedMachine, nowMs: number): MachineView {
  const runningMs = machine.calls.reduce((sum, call) => sum + Math.max(0, nowMs - call.sinceMs), 0);
  const guest = machine.backend === 'local' ? null : machine;
  return {
    ...machine,
    use: machineUse({ ...machine, busyMs: machine.busyMs + runningMs }, guest, nowMs),
    phases: bootPhases(machine, machine.goneAtMs ?? nowMs),
  };
}

/** The middle one of the last boots that succeeded, in milliseconds; null when there was none. */
function typicalBoot(machines: readonly MachineView[]): { readonly totalMs: number; readonly phases: readonly BootPhase[] } | null {
  const boots = machines
    .filter((machine) => machine.readyAtMs !== null)
    .slice(0, BOOTS)
    .map(({ phases }) => ({ totalMs: phases.reduce((sum, { ms }) => sum + ms, 0), phases }))
    .toSorted((one, other) => one.totalMs - other.totalMs);
  return boots[Math.floor(boots.length / 2)] ?? null;
}
