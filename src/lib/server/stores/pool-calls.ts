import type postgres from 'postgres';
import type { Sql, Transaction } from '#lib/server/db.ts';
import { hint, POOL_CHANNEL } from '#lib/server/stores/pools.ts';
import type { FfmpegUsage } from '#lib/server/telemetry/ffmpeg-usage.ts';

/** How far a call is; latest value wins. */
export interface CallProgress {
  readonly percent: number | null;
  readonly fps: number | null;
  readonly etaMs: number | null;
}

/** A call as its parent sees it. */
export interface CallView {
  readonly id: number;
  readonly state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'committed';
  readonly fence: number | null;
  readonly progress: CallProgress | null;
  readonly output: unknown;
  readonly error: string | null;
  readonly isRefusal: boolean;
  readonly usage: FfmpegUsage | null;
}

/** A call as its runner got it. Every write of the runner names id and fence. */
export interface ClaimedCall {
  readonly id: number;
  readonly fence: number;
  readonly task: string;
  readonly version: number;
  readonly input: unknown;
  /** The key of the job that asks, and what it is about. */
  readonly idemKey: string;
  readonly subject: string | null;
  /** W3C trace context of the job that asks. */
  readonly traceparent: string | null;
  /** What is left of its time, in milliseconds. */
  readonly timeoutMs: number;
}

/** Who a runner says it is: its row, and the hash of the token that it was booted with. */
export interface RunnerIdentity {
  readonly runnerId: number;
  readonly tokenHash: Buffer;
}

/** How a call of a runner ended. */
export type CallOutcome =
  | { readonly kind: 'done'; readonly output: unknown }
  | { readonly kind: 'failed'; readonly error: string; readonly isRefusal: boolean }
  | { readonly kind: 'cancelled' }
  /** Given back unfinished: it runs again elsewhere. */
  | { readonly kind: 'returned'; readonly reason: string; readonly isOutOfMemory: boolean };

/** A call that dies with its machine so often is given up. */
const MAX_ATTEMPTS = 4;

/**
 * Hands a call in, or attaches to the one that is there for the same key: a running one goes on, a
 * finished one is only waiting to be committed. A failed one is tried anew. Gives its id.
 */
export async function submitCall(
  sql: Sql,
  call: {
    readonly pool: string;
    readonly idemKey: string;
    readonly subject: string | null;
    readonly task: string;
    readonly version: number;
    readonly input: unknown;
    readonly priority: number;
    readonly timeoutMs: number;
    readonly traceparent: string | null;
  },
): Promise<number> {
  const input = sql.json(call.input as never);
  const [row] = await sql<{ id: number }[]>`
    insert into pool_calls as known (pool, idem_key, subject, task, version, input, priority, timeout_ms, traceparent)
    values (${call.pool}, ${call.idemKey}, ${call.subject}, ${call.task}, ${call.version}, ${input}, ${call.priority}, ${call.timeoutMs},
            ${call.traceparent})
    on conflict (idem_key) do update
      set state = 'queued', task = excluded.task, version = excluded.version, input = excluded.input, attempt = 0, runner_id = null,
          fence = null, deadline_at = null, cancel_at = null, not_before = now(), progress = null, output = null, error = null,
          is_refusal = false, usage = null, traceparent = excluded.traceparent, started_at = null, finished_at = null
      where known.state in ('failed', 'cancelled')
    returning id`;
  if (row !== undefined) {
    await hint(sql, { kind: 'call-queued', callId: row.id });
    return row.id;
  }
  const [known] = await sql<{ id: number }[]>`select id from pool_calls where idem_key = ${call.idemKey}`;
  return known!.id;
}

/** Calls as they stand. */
export async function callsById(sql: Sql, ids: readonly number[]): Promise<CallView[]> {
  return sql<CallView[]>`
    select id, state, fence, progress, output, error, is_refusal as "isRefusal", usage from pool_calls where id = any(${ids as number[]})`;
}

/** Stops a call: at once while it waits, by its runner while it runs. Harmless for one that has ended. */
export async function cancelCall(sql: Sql, callId: number): Promise<void> {
  await cancelCalls(sql, sql`id = ${callId}`);
}

/** Stops all calls about a subject, such as `video:12`. */
export async function cancelCallsAbout(sql: Sql, subject: string): Promise<void> {
  await cancelCalls(sql, sql`subject = ${subject}`);
}

/** Stops all calls that jobs have made. */
export async function cancelCallsOfJobs(sql: Sql, jobIds: readonly string[]): Promise<void> {
  await cancelCalls(sql, sql`split_part(idem_key, ':', 1) = any(${[...jobIds]})`);
}

async function cancelCalls(sql: Sql, which: postgres.PendingQuery<postgres.Row[]>): Promise<void> {
  const cancelled = await sql<{ id: number }[]>`
    update pool_calls
    set cancel_at = now(),
        state = case state when 'queued' then 'cancelled' else state end,
        finished_at = case state when 'queued' then now() end
    where ${which} and state in ('queued', 'running') returning id`;
  for (const { id } of cancelled) await hint(sql, { kind: 'call-cancelled', callId: id });
}

/** Takes a finished call's result, in the transaction that stores what came of it. False when another has. */
export async function commitCall(tx: Transaction, callId: number, fence: number): Promise<boolean> {
  const rows = await tx`
    update pool_calls set state = 'committed' where id = ${callId} and fence = ${fence} and state = 'done' returning id`;
  return rows.length === 1;
}

/** Gives a ready runner its next call, the most urgent that it is able to run; null when there is none. */
export async function claimCall(sql: Sql, { runnerId, tokenHash }: RunnerIdentity): Promise<ClaimedCall | null> {
  const [claimed] = await sql<ClaimedCall[]>`
    with me as (
      select r.id, r.pool, r.memory_mb, r.tasks, p.concurrency
      from pool_runners r join pools p on p.name = r.pool
      where r.id = ${runnerId} and r.token_hash = ${tokenHash} and r.state = 'ready' and r.lease_until > now() and not p.is_paused
      for update of r
    ), next as (
      select c.id from pool_calls c join me on c.pool = me.pool
      where c.state = 'queued' and c.not_before <= now() and c.memory_mb <= me.memory_mb
        and c.task || '@' || c.version = any(me.tasks)
        and me.concurrency > (select count(*) from pool_calls mine where mine.runner_id = me.id and mine.state = 'running')
      order by c.priority desc, c.id
      limit 1
      for update of c skip locked
    ), busy as (
      update pool_runners set idle_since = null where id = ${runnerId} and exists (select from next)
    )
    update pool_calls
    set state = 'running', runner_id = ${runnerId}, fence = nextval('pool_fences'), attempt = attempt + 1, started_at = now(),
        deadline_at = now() + timeout_ms * interval '1 millisecond'
    where id = (select id from next)
    returning id, fence, task, version, input, idem_key as "idemKey", subject, traceparent, timeout_ms as "timeoutMs",
      -- In the same statement: a claim that could fail after it was made would strand the call.
      (select true from pg_notify(${POOL_CHANNEL}, json_build_object('kind', 'call-started', 'callId', id)::text)) as "isTold"`;
  return claimed ?? null;
}

/** Stores a running call's progress. False when the fence is no longer this runner's: stop. */
export async function recordCallProgress(sql: Sql, call: { id: number; fence: number }, progress: CallProgress): Promise<boolean> {
  const rows = await sql`
    update pool_calls set progress = ${sql.json({ ...progress })}
    where id = ${call.id} and fence = ${call.fence} and state = 'running' returning id`;
  if (rows.length === 0) return false;
  await hint(sql, { kind: 'call-progress', callId: call.id });
  return true;
}

/** Stores how a call ended and frees its place. False when the fence is no longer this runner's: nothing is written. */
export async function finishCall(
  sql: Sql,
  call: { readonly id: number; readonly fence: number },
  outcome: CallOutcome,
  usage: FfmpegUsage | null = null,
): Promise<boolean> {
  const isFinal = outcome.kind !== 'returned';
  const [row] = await sql<{ state: CallView['state'] }[]>`
    with ended as (
      update pool_calls c
      set state = case when ${isFinal} then ${isFinal ? outcome.kind : 'queued'} when c.attempt >= ${MAX_ATTEMPTS} then 'failed' else 'queued' end,
          output = ${outcome.kind === 'done' ? sql.json(outcome.output as never) : null},
          error = case when ${outcome.kind === 'failed'} then ${outcome.kind === 'failed' ? outcome.error : null}
            when ${!isFinal} and c.attempt >= ${MAX_ATTEMPTS} then ${outcome.kind === 'returned' ? outcome.reason : null} end,
          is_refusal = ${outcome.kind === 'failed' && outcome.isRefusal}, usage = ${usage === null ? null : sql.json(usage)},
          memory_mb = case when ${outcome.kind === 'returned' && outcome.isOutOfMemory}
            then least(p.max_memory_mb, r.memory_mb * 2) else c.memory_mb end,
          finished_at = case when ${isFinal} or c.attempt >= ${MAX_ATTEMPTS} then now() end
      from pool_runners r join pools p on p.name = r.pool
      where c.id = ${call.id} and c.fence = ${call.fence} and c.state = 'running' and r.id = c.runner_id
      returning c.id, c.state, c.runner_id, c.started_at
    ), freed as (
      update pool_runners r
      set busy_ms = busy_ms + extract(epoch from now() - ended.started_at) * 1000,
          idle_since = case when exists (
            select from pool_calls o where o.runner_id = r.id and o.state = 'running' and o.id <> ended.id) then null else now() end
      from ended where r.id = ended.runner_id
    )
    select state from ended`;
  if (row === undefined) return false;
  await hint(sql, { kind: row.state === 'queued' ? 'call-queued' : 'call-settled', callId: call.id });
  return true;
}

/** Calls that this runner is to stop: cancelled, or past their deadline. */
export async function callsToStop(sql: Sql, runnerId: number): Promise<{ id: number; isCancelled: boolean }[]> {
  return sql<{ id: number; isCancelled: boolean }[]>`
    select id, cancel_at is not null as "isCancelled" from pool_calls
    where runner_id = ${runnerId} and state = 'running' and (cancel_at is not null or deadline_at < now())`;
}

/**
 * Takes running calls from runners that are gone or have lost their lease, and queues them again. One
 * that has died too often fails; one whose machine ran out of memory asks for twice as much.
 * Gives the calls with a sentence on each.
 */
export async function requeueLostCalls(tx: Transaction, pool: string): Promise<{ callId: number; runnerId: number; message: string }[]> {
  const lost = await tx<{ callId: number; runnerId: number; attempt: number; isGivenUp: boolean; failure: string | null }[]>`
    with lost as (
      select c.id, c.attempt, c.cancel_at, r.id as runner_id, r.failure, c.started_at,
             c.attempt >= ${MAX_ATTEMPTS} as is_given_up,
             coalesce(r.failure like 'out of memory%', false) as is_out_of_memory,
             least(p.max_memory_mb, r.memory_mb * 2) as larger_mb
      from pool_calls c join pool_runners r on r.id = c.runner_id join pools p on p.name = c.pool
      where c.pool = ${pool} and c.state = 'running' and (r.state = 'gone' or r.lease_until < now())
      for update of c, r
    ), charged as (
      update pool_runners r
      set busy_ms = busy_ms + extract(epoch from least(now(), r.lease_until) - lost.started_at) * 1000, idle_since = now()
      from lost where r.id = lost.runner_id
    )
    update pool_calls c
    set state = case when lost.cancel_at is not null then 'cancelled' when lost.is_given_up then 'failed' else 'queued' end,
        error = case when lost.is_given_up then
          'The machine that ran it was lost ' || lost.attempt || ' times, the last time: ' || coalesce(lost.failure, 'no sign of life') || '.' end,
        finished_at = case when lost.cancel_at is not null or lost.is_given_up then now() end,
        memory_mb = case when lost.is_out_of_memory then lost.larger_mb else c.memory_mb end
    from lost where c.id = lost.id
    returning c.id as "callId", lost.runner_id as "runnerId", lost.attempt, lost.is_given_up as "isGivenUp", lost.failure`;
  for (const call of lost) await hint(tx, { kind: call.isGivenUp ? 'call-settled' : 'call-queued', callId: call.callId });
  return lost.map(({ callId, runnerId, attempt, isGivenUp, failure }) => ({
    callId,
    runnerId,
    message: `Attempt ${attempt} was lost with its machine (${failure ?? 'no sign of life'}): ${isGivenUp ? 'given up' : 'queued again'}.`,
  }));
}

/** Removes calls that ended long ago. */
export async function removeOldCalls(sql: Sql, olderThanDays: number): Promise<number> {
  const rows = await sql`
    delete from pool_calls
    where state in ('done', 'failed', 'cancelled', 'committed') and finished_at < now() - ${olderThanDays} * interval '1 day' returning id`;
  return rows.length;
}
