import type { Guest } from '#lib/core/machine-cost.ts';
import type { PoolLimits } from '#lib/core/pool.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** Postgres channel of the pool: hints only, everything is in the tables. */
export const POOL_CHANNEL = 'heaters_pool';

/** What is said on `POOL_CHANNEL`. */
export type PoolHint =
  | { readonly kind: 'call-queued' | 'call-started' | 'call-settled' | 'call-progress' | 'call-cancelled'; readonly callId: number }
  /** Parents and runners look; `machine-changed` is only for those who watch. */
  | { readonly kind: 'pool-changed' | 'machine-changed' };

/** A pool as an operator set it up, and how it stands. */
export interface PoolRow extends PoolLimits {
  readonly name: string;
  readonly idleShutdownMs: number;
  readonly bootDeadlineMs: number;
  readonly leaseMs: number;
  readonly guest: Guest;
  readonly maxMemoryMb: number;
  readonly regions: readonly string[];
  readonly isWarm: boolean;
  /** Until when one is kept warm, in ms since 1970; null when none is. */
  readonly warmUntilMs: number | null;
  readonly isBackingOff: boolean;
  readonly image: string | null;
  readonly explanation: string;
}

function toPool(row: Record<string, unknown>): PoolRow {
  const { cpuKind, cpus, spendCapUsd, ...rest } = row as unknown as PoolRow & Guest & { spendCapUsd: string | null };
  return { ...rest, spendCapUsd: spendCapUsd === null ? null : Number(spendCapUsd), guest: { cpuKind, cpus, memoryMb: rest.memoryMb } };
}

const columns = (sql: Sql) => sql`
  name, min_machines as "minMachines", max_machines as "maxMachines", concurrency, idle_shutdown_ms as "idleShutdownMs",
  boot_deadline_ms as "bootDeadlineMs", lease_ms as "leaseMs", cpu_kind as "cpuKind", cpus, memory_mb as "memoryMb",
  max_memory_mb as "maxMemoryMb", regions, spend_cap_usd as "spendCapUsd", is_paused as "isPaused",
  coalesce(warm_until > now(), false) as "isWarm",
  case when warm_until > now() then (extract(epoch from warm_until) * 1000)::float8 end as "warmUntilMs", coalesce(boot_retry_at > now(), false) as "isBackingOff", image, explanation`;

/** What an admin may change while the pool runs. */
export type PoolSettings = Pick<PoolRow, 'minMachines' | 'maxMachines' | 'concurrency' | 'idleShutdownMs' | 'spendCapUsd' | 'regions'>;

/** All pools. */
export async function allPools(sql: Sql): Promise<PoolRow[]> {
  return (await sql`select ${columns(sql)} from pools order by name`).map(toPool);
}

/** A pool; it must be there: migrations make it. */
export async function findPool(sql: Sql, name: string): Promise<PoolRow> {
  const [row] = await sql`select ${columns(sql)} from pools where name = ${name}`;
  return toPool(row!);
}

/** Locks a pool for a change, after whoever decides on it now. */
export async function lockPool(tx: Transaction, name: string): Promise<PoolRow> {
  const [row] = await tx`select ${columns(tx)} from pools where name = ${name} for update`;
  return toPool(row!);
}

/** Sets a pool anew; parents and runners go by it at their next look. */
export async function changePoolSettings(tx: Transaction, name: string, settings: PoolSettings): Promise<void> {
  await tx`
    update pools set min_machines = ${settings.minMachines}, max_machines = ${settings.maxMachines}, concurrency = ${settings.concurrency},
      idle_shutdown_ms = ${settings.idleShutdownMs}, spend_cap_usd = ${settings.spendCapUsd}, regions = ${[...settings.regions]}::text[]
    where name = ${name}`;
}

/** Pauses a pool, or lets it go on. */
export async function setPoolPaused(tx: Transaction, name: string, isPaused: boolean): Promise<void> {
  await tx`update pools set is_paused = ${isPaused} where name = ${name}`;
}

/** Locks a pool for a decision; null when another parent is deciding right now. */
export async function tryLockPool(tx: Transaction, name: string): Promise<PoolRow | null> {
  const [row] = await tx`select ${columns(tx)} from pools where name = ${name} for update skip locked`;
  return row === undefined ? null : toPool(row);
}

/** Notes why the pool is as it is. */
export async function explainPool(tx: Transaction, name: string, explanation: string): Promise<void> {
  await tx`update pools set explanation = ${explanation} where name = ${name} and explanation <> ${explanation}`;
}

/** Keeps at least one machine for a while: someone is about to need it. */
export async function warmPool(sql: Sql, name: string, forMs: number): Promise<void> {
  await sql`
    update pools set warm_until = greatest(warm_until, now() + ${forMs} * interval '1 millisecond')
    where name = ${name}`;
  await hint(sql, { kind: 'pool-changed' });
}

/** Keeps no machine warm any more. */
export async function endWarmth(tx: Transaction, name: string): Promise<void> {
  await tx`update pools set warm_until = null where name = ${name}`;
}

/** Makes the image the one that new machines boot, in all pools. */
export async function setPoolImage(sql: Sql, image: string): Promise<void> {
  await sql`update pools set image = ${image} where image is distinct from ${image}`;
}

/** After a boot that failed: the next waits 1 s, 2 s, 4 s, … at most a minute. */
export async function delayNextBoot(sql: Sql, name: string): Promise<void> {
  await sql`
    update pools set boot_failures = boot_failures + 1,
      boot_retry_at = now() + least(60, power(2, least(boot_failures, 10))) * interval '1 second'
    where name = ${name}`;
}

/** After a machine that came up: nothing holds the next boot back. */
export async function resetBootDelay(sql: Sql, name: string): Promise<void> {
  await sql`update pools set boot_failures = 0, boot_retry_at = null where name = ${name} and boot_failures > 0`;
}

/** An entry in the pool's log, with its reason in a sentence. */
export async function logPoolEvent(
  sql: Sql,
  event: { readonly pool: string; readonly kind: string; readonly runnerId?: number; readonly callId?: number; readonly message: string },
): Promise<void> {
  await sql`
    insert into pool_events (pool, kind, runner_id, call_id, message)
    values (${event.pool}, ${event.kind}, ${event.runnerId ?? null}, ${event.callId ?? null}, ${event.message})`;
}

/** Tells parents and runners to look. */
export async function hint(sql: Sql, message: PoolHint): Promise<void> {
  await sql`select pg_notify(${POOL_CHANNEL}, ${JSON.stringify(message)})`;
}

/**
 * Takes one request of a limit that all parents share, and gives how long to wait before making it, in
 * milliseconds. Generic cell rate algorithm: `perSecond` on average, `burst` at once.
 */
export async function reserveApiRequest(
  sql: Sql,
  name: string,
  limit: { readonly perSecond: number; readonly burst: number },
): Promise<number> {
  const spacingMs = 1000 / limit.perSecond;
  const [row] = await sql<{ waitMs: number }[]>`
    insert into pool_api_limits as known (name, arrival_at)
    values (${name}, clock_timestamp() + ${spacingMs} * interval '1 millisecond')
    on conflict (name) do update
      set arrival_at = greatest(known.arrival_at, clock_timestamp()) + ${spacingMs} * interval '1 millisecond'
    returning (extract(epoch from arrival_at - clock_timestamp()) * 1000)::float8 - ${limit.burst * spacingMs}::float8 as "waitMs"`;
  return Math.max(0, row!.waitMs);
}

/** Forgets growth and shrink of long ago. */
export async function removeOldPoolEvents(sql: Sql, olderThanDays: number): Promise<void> {
  await sql`delete from pool_events where at < now() - ${olderThanDays} * interval '1 day'`;
}
