import type { Guest } from '#lib/core/machine-cost.ts';
import type { BootTimes } from '#lib/core/pool-history.ts';
import type { MachineReach, Reach } from '#lib/core/troubles.ts';
import type { Sql } from '#lib/server/db.ts';
import type { CallProgress } from '#lib/server/stores/pool-calls.ts';

/** A call as the pool's page shows it. */
export interface WatchedCall {
  readonly id: number;
  readonly task: string;
  /** What it is about, when that is a video. */
  readonly video: { readonly id: number; readonly title: string } | null;
  readonly sinceMs: number;
  readonly attempt: number;
  readonly progress: CallProgress | null;
}

/** A machine of now or of the last hours. */
export interface WatchedMachine extends BootTimes, Guest {
  readonly id: number;
  readonly slot: number;
  readonly state: 'reserved' | 'booting' | 'ready' | 'draining' | 'gone';
  readonly backend: string;
  readonly machineId: string | null;
  readonly region: string | null;
  readonly goneAtMs: number | null;
  /** Of calls that have ended. */
  readonly busyMs: number;
  readonly failure: string | null;
  readonly isStopping: boolean;
  /** How it reaches the object store; null until it has said so, and on this computer. */
  readonly reach: Reach | null;
  readonly calls: readonly WatchedCall[];
}

/** Why a pool grew or shrank. */
export interface WatchedEvent {
  readonly id: number;
  readonly atMs: number;
  readonly kind: string;
  readonly slot: number | null;
  readonly message: string;
}

const ms = (sql: Sql, column: string) => sql`(extract(epoch from ${sql.unsafe(column)}) * 1000)::float8`;

const callJson = (sql: Sql, since: string) => sql`
  json_build_object('id', c.id, 'task', c.task, 'attempt', c.attempt, 'progress', c.progress, 'sinceMs', ${ms(sql, since)},
    'video', case when v.id is not null then json_build_object('id', v.id, 'title', v.title) end)`;
const callVideo = (sql: Sql) => sql`left join videos v on c.subject = 'video:' || v.id and v.deleted_at is null`;

/** Machines that are there, and those that were in the last so many hours; the latest first. */
export async function watchedMachines(sql: Sql, pool: string, hours: number): Promise<WatchedMachine[]> {
  return sql<WatchedMachine[]>`
    select r.id, r.slot, r.state, r.backend, r.machine_id as "machineId", r.region, r.cpu_kind as "cpuKind", r.cpus,
      r.memory_mb as "memoryMb", r.busy_ms as "busyMs", r.failure, r.stop_requested_at is not null as "isStopping", r.reach,
      ${ms(sql, 'r.reserved_at')} as "reservedAtMs", ${ms(sql, 'r.requested_at')} as "requestedAtMs", ${ms(sql, 'r.made_at')} as "madeAtMs",
      ${ms(sql, 'r.started_at')} as "startedAtMs", ${ms(sql, 'r.ready_at')} as "readyAtMs", ${ms(sql, 'r.gone_at')} as "goneAtMs",
      coalesce((
        select json_agg(${callJson(sql, 'c.started_at')} order by c.id)
        from pool_calls c ${callVideo(sql)} where c.runner_id = r.id and c.state = 'running'), '[]') as calls
    from pool_runners r
    where r.pool = ${pool} and (r.gone_at is null or r.gone_at > now() - make_interval(hours => ${hours}))
    order by r.id desc limit 500`;
}

/** How the machines that are there reach the object store. */
export async function machineReaches(sql: Sql, pool: string): Promise<MachineReach[]> {
  return sql<MachineReach[]>`
    select slot, region, reach from pool_runners where pool = ${pool} and state in ('ready', 'draining') and reach is not null order by slot`;
}

/** When calls ran in the last so many hours, by the slot that they ran on. */
export async function workSpans(sql: Sql, pool: string, hours: number): Promise<{ slot: number; startMs: number; endMs: number | null }[]> {
  return sql<{ slot: number; startMs: number; endMs: number | null }[]>`
    select r.slot, ${ms(sql, 'c.started_at')} as "startMs", ${ms(sql, 'c.finished_at')} as "endMs"
    from pool_calls c join pool_runners r on r.id = c.runner_id
    where c.pool = ${pool} and c.state <> 'queued'
      and c.started_at is not null and (c.finished_at is null or c.finished_at > now() - make_interval(hours => ${hours}))
    order by c.id desc limit 1000`;
}

/** Calls that wait, the next to run first, and how many there are. */
export async function waitingCalls(sql: Sql, pool: string, limit: number): Promise<{ count: number; calls: WatchedCall[] }> {
  const [row] = await sql<{ count: number; calls: WatchedCall[] }[]>`
    select (select count(*)::int from pool_calls where pool = ${pool} and state = 'queued') as count,
      coalesce((
        select json_agg(w.call order by w.place) from (
          select ${callJson(sql, 'c.created_at')} as call, row_number() over (order by c.priority desc, c.id) as place
          from pool_calls c ${callVideo(sql)} where c.pool = ${pool} and c.state = 'queued'
          order by c.priority desc, c.id limit ${limit}) w), '[]') as calls`;
  return row!;
}

/** Why the pool grew and shrank, the latest first. */
export async function poolEvents(sql: Sql, pool: string, limit: number): Promise<WatchedEvent[]> {
  return sql<WatchedEvent[]>`
    select e.id, ${ms(sql, 'e.at')} as "atMs", e.kind, r.slot, e.message
    from pool_events e left join pool_runners r on r.id = e.runner_id
    where e.pool = ${pool} order by e.id desc limit ${limit}`;
}
