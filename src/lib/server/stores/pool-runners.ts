import type { Guest } from '#lib/core/machine-cost.ts';
import type { SlotHolder } from '#lib/core/pool.ts';
import type { Reach } from '#lib/core/troubles.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';
import type { RunnerIdentity } from '#lib/server/stores/pool-calls.ts';

/** A machine's row, as the parent that sees to it needs it. */
export interface RunnerRow {
  readonly id: number;
  readonly pool: string;
  readonly slot: number;
  readonly epoch: number;
  readonly state: 'reserved' | 'booting' | 'ready' | 'draining' | 'gone';
  readonly machineId: string | null;
  readonly cpuKind: Guest['cpuKind'];
  readonly cpus: number;
  readonly memoryMb: number;
  readonly image: string | null;
  /** Since its slot was reserved. */
  readonly ageMs: number;
  /** Since its runner was last heard of; null before the first time. */
  readonly silentMs: number | null;
  readonly hasLeft: boolean;
  /** Who wants it ended at once; null when nobody does. */
  readonly stopRequestedBy: string | null;
}

/** What a runner learns from its heartbeat; null when it has lost its registration. */
export interface HeartbeatAnswer {
  readonly state: 'ready' | 'draining';
  /** Whether new machines boot another image: this one is to leave after its calls. */
  readonly isOutdated: boolean;
  readonly concurrency: number;
  readonly idleShutdownMs: number;
}

/** A pool's name and settings as a runner needs them. */
export interface Registration {
  readonly pool: string;
  readonly concurrency: number;
  readonly idleShutdownMs: number;
  readonly leaseMs: number;
}

const columns = (sql: Sql) => sql`
  id, pool, slot, epoch, state, machine_id as "machineId", cpu_kind as "cpuKind", cpus, memory_mb as "memoryMb", image,
  (extract(epoch from now() - reserved_at) * 1000)::float8 as "ageMs",
  (extract(epoch from now() - (lease_until - (select lease_ms from pools where name = pool) * interval '1 millisecond')) * 1000)::float8
    as "silentMs",
  left_at is not null as "hasLeft", stop_requested_by as "stopRequestedBy"`;

/** A machine's name, the key under which it is created once. `deployment` keeps apart those who share a provider's account. */
export function machineName(deployment: string, runner: Pick<RunnerRow, 'pool' | 'slot' | 'epoch'>): string {
  return `${deployment}-${runner.pool}-${runner.slot}-${runner.epoch}`;
}

/** What a pool is asked for and what it has, at one and the same moment. */
export interface PoolLoad {
  /** Machines that take a slot, with the number of their running calls. */
  readonly holders: readonly SlotHolder[];
  /** Memory of the calls that wait, in MB, the next to run first. */
  readonly queuedMemoryMb: readonly number[];
}

/**
 * Reads a pool's machines and at most `limit` of its waiting calls. In one statement: between two, a call that is
 * claimed would be seen waiting and its machine at work, and a machine would be added for nothing.
 */
export async function poolLoad(sql: Sql, pool: string, limit: number): Promise<PoolLoad> {
  const [row] = await sql<PoolLoad[]>`
    select
      coalesce((
        select json_agg(json_build_object('id', h.id, 'slot', h.slot, 'state', h.state, 'memoryMb', h.memory_mb, 'runningCount', h.running)
                        order by h.slot)
        from (
          select r.id, r.slot, r.state, r.memory_mb, count(c.id)::int as running
          from pool_runners r left join pool_calls c on c.runner_id = r.id and c.state = 'running'
          where r.pool = ${pool} and r.state <> 'gone' group by r.id
        ) h), '[]') as holders,
      coalesce((
        select json_agg(q.memory_mb order by q.priority desc, q.id)
        from (
          select memory_mb, priority, id from pool_calls
          where pool = ${pool} and state = 'queued' order by priority desc, id limit ${limit}
        ) q), '[]') as "queuedMemoryMb"`;
  return row!;
}

/** Takes a free slot for a machine of this size, for this parent to boot. Gives its row's id. */
export async function reserveSlot(
  tx: Transaction,
  reservation: {
    readonly pool: string;
    readonly slot: number;
    readonly guest: Guest;
    readonly image: string | null;
    readonly backend: string;
    readonly parentId: string;
    readonly bootLeaseMs: number;
  },
): Promise<number> {
  const { pool, slot, guest, image, backend, parentId, bootLeaseMs } = reservation;
  const [row] = await tx<{ id: number }[]>`
    insert into pool_runners (pool, slot, epoch, backend, image, cpu_kind, cpus, memory_mb, booted_by, boot_lease_until)
    select ${pool}, ${slot}, coalesce(max(epoch), 0) + 1, ${backend}, ${image}, ${guest.cpuKind}, ${guest.cpus}, ${guest.memoryMb},
           ${parentId}, now() + ${bootLeaseMs} * interval '1 millisecond'
    from pool_runners where pool = ${pool} and slot = ${slot}
    returning id`;
  return row!.id;
}

/** Takes over boots whose parent has gone silent, and gives them. */
export async function adoptBoots(sql: Sql, pool: string, backend: string, parentId: string, bootLeaseMs: number): Promise<RunnerRow[]> {
  return sql<RunnerRow[]>`
    update pool_runners set booted_by = ${parentId}, boot_lease_until = now() + ${bootLeaseMs} * interval '1 millisecond'
    where id in (
      select id from pool_runners
      where pool = ${pool} and backend = ${backend} and state in ('reserved', 'booting') and machine_id is null and boot_lease_until < now()
      for update skip locked)
    returning ${columns(sql)}`;
}

/** Keeps a boot with this parent. False when another has taken it over, or the machine is gone. */
export async function keepBoot(sql: Sql, runnerId: number, parentId: string, bootLeaseMs: number): Promise<boolean> {
  const rows = await sql`
    update pool_runners set boot_lease_until = now() + ${bootLeaseMs} * interval '1 millisecond'
    where id = ${runnerId} and booted_by = ${parentId} and state <> 'gone' returning id`;
  return rows.length === 1;
}

/** Notes that a machine is about to be asked for, with the token that its runner will show. */
export async function markRequested(sql: Sql, runnerId: number, tokenHash: Buffer): Promise<void> {
  await sql`
    update pool_runners set state = 'booting', token_hash = ${tokenHash}, requested_at = now()
    where id = ${runnerId} and state in ('reserved', 'booting')`;
}

/** Notes which machine a slot has got. */
export async function markMachine(
  sql: Sql,
  runnerId: number,
  machine: { readonly id: string; readonly region: string | null },
): Promise<void> {
  await sql`
    update pool_runners set machine_id = ${machine.id}, region = ${machine.region}, started_at = coalesce(started_at, now()),
      made_at = coalesce(made_at, now()),
      state = case state when 'reserved' then 'booting' else state end
    where id = ${runnerId} and state <> 'gone'`;
}

/** A machine's row. */
export async function findRunner(sql: Sql, runnerId: number): Promise<RunnerRow | null> {
  const [row] = await sql<RunnerRow[]>`select ${columns(sql)} from pool_runners where id = ${runnerId}`;
  return row ?? null;
}

/** The row of the machine that takes a slot; null when there is none. */
export async function runnerOfMachine(sql: Sql, machineId: string): Promise<number | null> {
  const [row] = await sql<{ id: number }[]>`select id from pool_runners where machine_id = ${machineId} and state <> 'gone'`;
  return row?.id ?? null;
}

/**
 * Machines to look at now, each given to one parent at a time: those that have said that they leave,
 * that take long to boot, that are to be ended, or that have gone silent.
 */
export async function runnersToCheck(sql: Sql, pool: string, backend: string, everyMs: number): Promise<RunnerRow[]> {
  return sql<RunnerRow[]>`
    update pool_runners set checked_at = now()
    where id in (
      select r.id from pool_runners r join pools p on p.name = r.pool
      where r.pool = ${pool} and r.backend = ${backend} and r.state <> 'gone' and r.machine_id is not null
        and r.checked_at < now() - ${everyMs} * interval '1 millisecond'
        and (r.left_at is not null or r.stop_requested_at is not null
          or (r.state = 'booting' and r.requested_at < now() - least(p.boot_deadline_ms, 2000) * interval '1 millisecond')
          -- Two heartbeats were missed.
          or r.lease_until < now() + 0.6 * p.lease_ms * interval '1 millisecond')
      for update of r skip locked)
    returning ${columns(sql)}`;
}

/** Names of all machines that may exist now. */
export async function livingRunnerIds(sql: Sql, backend: string): Promise<Pick<RunnerRow, 'id' | 'pool' | 'slot' | 'epoch'>[]> {
  return sql<Pick<RunnerRow, 'id' | 'pool' | 'slot' | 'epoch'>[]>`
    select id, pool, slot, epoch from pool_runners where backend = ${backend} and state <> 'gone'`;
}

/** Frees a slot: its machine is known to be gone, or never to have been. False when it was free already. */
export async function markGone(tx: Transaction, runnerId: number, failure: string | null): Promise<boolean> {
  const rows = await tx`
    update pool_runners set state = 'gone', gone_at = now(), failure = ${failure}
    where id = ${runnerId} and state <> 'gone' returning id`;
  return rows.length === 1;
}

/** Tells a runner to take no more calls and to leave after those it has. */
export async function drainRunner(sql: Sql, runnerId: number): Promise<void> {
  await sql`update pool_runners set state = 'draining', draining_at = now() where id = ${runnerId} and state = 'ready'`;
}

/** Asks for a machine to be ended: it takes no more calls, and the next parent that looks destroys it. */
export async function requestStop(tx: Transaction, runnerId: number, requestedBy: string): Promise<void> {
  await tx`
    update pool_runners
    set stop_requested_at = now(), stop_requested_by = ${requestedBy}, checked_at = '-infinity',
        state = case state when 'ready' then 'draining' else state end, draining_at = coalesce(draining_at, now())
    where id = ${runnerId} and state <> 'gone'`;
}

/** Lets a booted runner in, when it shows its token. Null when it is not expected (any more). */
export async function registerRunner(
  sql: Sql,
  { runnerId, tokenHash }: RunnerIdentity,
  machine: { readonly machineId: string; readonly tasks: readonly string[]; readonly processAgeMs: number },
): Promise<Registration | null> {
  const { machineId, tasks, processAgeMs } = machine;
  const [row] = await sql<Registration[]>`
    update pool_runners r
    set state = 'ready', ready_at = now(), idle_since = now(), tasks = ${tasks as string[]},
        machine_id = coalesce(machine_id, ${machineId}), made_at = coalesce(made_at, now()),
        -- Its process began after it was made; until now that was the best guess.
        started_at = greatest(requested_at, now() - ${processAgeMs} * interval '1 millisecond'),
        lease_until = now() + p.lease_ms * interval '1 millisecond'
    from pools p
    where r.id = ${runnerId} and r.token_hash = ${tokenHash} and r.state in ('reserved', 'booting') and p.name = r.pool
      and r.stop_requested_at is null
    returning r.pool, p.concurrency, p.idle_shutdown_ms as "idleShutdownMs", p.lease_ms as "leaseMs"`;
  return row ?? null;
}

/** Prolongs a runner's lease, and with it the lease on its calls. Null when it has lost its registration. */
export async function heartbeat(sql: Sql, { runnerId, tokenHash }: RunnerIdentity): Promise<HeartbeatAnswer | null> {
  const [row] = await sql<HeartbeatAnswer[]>`
    update pool_runners r set lease_until = now() + p.lease_ms * interval '1 millisecond'
    from pools p
    where r.id = ${runnerId} and r.token_hash = ${tokenHash} and r.state in ('ready', 'draining') and p.name = r.pool
    returning r.state, coalesce(r.image is distinct from p.image and p.image is not null, false) as "isOutdated",
      p.concurrency, p.idle_shutdown_ms as "idleShutdownMs"`;
  return row ?? null;
}

/** Notes how a runner reaches the object store. */
export async function recordStoreReach(sql: Sql, { runnerId, tokenHash }: RunnerIdentity, reach: Reach): Promise<void> {
  await sql`update pool_runners set reach = ${sql.json(reach)} where id = ${runnerId} and token_hash = ${tokenHash}`;
}

/**
 * Lets a runner leave when it has nothing to do: true, and it gets no call any more. An idle runner of
 * those that the pool keeps stays; one that drains always may leave.
 *
 * A claim takes the lock on the same row and clears `idle_since`, which is read again once the lock is
 * had: a call is either claimed before, and the runner stays, or never by this runner.
 */
export async function leaveWhenIdle(sql: Sql, { runnerId, tokenHash }: RunnerIdentity, reason: 'idle' | 'forced'): Promise<boolean> {
  const [left] = await sql<{ id: number }[]>`
    with pool as (
      select p.* from pools p join pool_runners r on r.pool = p.name where r.id = ${runnerId} for update of p
    ), me as (
      select r.id, r.state from pool_runners r, pool
      where r.id = ${runnerId} and r.token_hash = ${tokenHash} and r.state in ('ready', 'draining') and r.idle_since is not null
      for update of r
    )
    update pool_runners set state = 'draining', draining_at = coalesce(draining_at, now()), left_at = now()
    where id = (
      select me.id from me, pool
      where (me.state = 'draining' or ${reason === 'forced'}
          or (select count(*) from pool_runners o where o.pool = pool.name and o.state in ('reserved', 'booting', 'ready'))
             > least(pool.max_machines, greatest(pool.min_machines, case when pool.warm_until > now() then 1 else 0 end))))
    returning id`;
  return left !== undefined;
}

/** Dollars are counted from these: machines that somebody charges for and that ran in the current month, UTC. Times in milliseconds since 1970. */
export async function machinesOfMonth(
  sql: Sql,
  pool: string,
): Promise<(Guest & { startedAtMs: number; readyAtMs: number | null; goneAtMs: number | null; busyMs: number })[]> {
  return sql`
    select cpu_kind as "cpuKind", cpus, memory_mb as "memoryMb", busy_ms as "busyMs",
      (extract(epoch from greatest(started_at, date_trunc('month', now(), 'UTC'))) * 1000)::float8 as "startedAtMs",
      (extract(epoch from ready_at) * 1000)::float8 as "readyAtMs", (extract(epoch from gone_at) * 1000)::float8 as "goneAtMs"
    from pool_runners
    where pool = ${pool} and backend <> 'local' and started_at is not null
      and (gone_at is null or gone_at >= date_trunc('month', now(), 'UTC'))`;
}
