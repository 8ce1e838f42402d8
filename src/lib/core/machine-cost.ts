/** What machines cost, pure. */

/** A machine's size. */
export interface Guest {
  readonly cpuKind: 'shared' | 'performance';
  readonly cpus: number;
  readonly memoryMb: number;
}

/**
 * US dollars for 30 days, from Fly.io's public price list for Ashburn as of 2026-01; other regions cost
 * up to 1.6 times as much. A CPU comes with some memory, more is charged by the gigabyte.
 */
const PRICES = {
  shared: { cpuUsd: 1.94, includedMbPerCpu: 256 },
  performance: { cpuUsd: 33, includedMbPerCpu: 2048 },
  extraMemoryGbUsd: 5,
  periodSeconds: 30 * 24 * 3600,
};

/** Price of a machine that runs, in US dollars a second. */
export function usdPerSecond({ cpuKind, cpus, memoryMb }: Guest): number {
  const { cpuUsd, includedMbPerCpu } = PRICES[cpuKind];
  const extraGb = Math.max(0, memoryMb - cpus * includedMbPerCpu) / 1024;
  return (cpus * cpuUsd + extraGb * PRICES.extraMemoryGbUsd) / PRICES.periodSeconds;
}

/** What machines have cost by now, in US dollars. */
export function spentUsd(machines: readonly (MachineTimes & Guest)[], nowMs: number): number {
  return machines.reduce((usd, machine) => usd + machineUse(machine, machine, nowMs).usd, 0);
}

/** What the month (UTC) will have cost if it goes on as it began, in US dollars. */
export function projectedUsd(spent: number, nowMs: number): number {
  const now = new Date(nowMs);
  const [beginMs, endMs] = [0, 1].map((months) => Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months)) as [number, number];
  // In its first hours a month tells nothing yet.
  const passed = Math.max((nowMs - beginMs) / (endMs - beginMs), 1 / 31);
  return Math.max(spent, spent / passed);
}

/** When a machine lived, in milliseconds of one clock; null for what has not come yet. */
export interface MachineTimes {
  /** Since when it costs; null when it never ran. */
  readonly startedAtMs: number | null;
  readonly readyAtMs: number | null;
  readonly goneAtMs: number | null;
  readonly busyMs: number;
}

/** How a machine's seconds were spent, and what they cost. */
export interface MachineUse {
  readonly bootMs: number;
  readonly busyMs: number;
  readonly idleMs: number;
  readonly usd: number;
}

/** Splits a machine's life into boot, busy and idle time. `usd` is 0 for a machine of our own. */
export function machineUse(times: MachineTimes, guest: Guest | null, nowMs: number): MachineUse {
  if (times.startedAtMs === null) return { bootMs: 0, busyMs: 0, idleMs: 0, usd: 0 };
  const endMs = times.goneAtMs ?? nowMs;
  const totalMs = Math.max(0, endMs - times.startedAtMs);
  const bootMs = Math.min(totalMs, Math.max(0, (times.readyAtMs ?? endMs) - times.startedAtMs));
  const busyMs = Math.min(times.busyMs, totalMs - bootMs);
  return { bootMs, busyMs, idleMs: totalMs - bootMs - busyMs, usd: guest === null ? 0 : (totalMs / 1000) * usdPerSecond(guest) };
}
