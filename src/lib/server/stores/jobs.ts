import type postgres from 'postgres';
import type { JobState } from '#lib/core/job-rules.ts';
import { withoutUrls } from '#lib/core/without-urls.ts';
import { QUEUES, STAGES, type QueueName, type StageName } from '#lib/jobs/stages.ts';
import type { JobCallView, JobFilter, JobView } from '#lib/live/job-views.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

// The only readers of pg-boss's tables. Its rows are changed by its own functions (`enqueue.ts`), but for the two below
// that it has none for.

/** Where a page of a list ends: the next one begins after it. */
export interface JobCursor {
  readonly createdAt: string;
  readonly id: string;
}

/** A job as an action needs it. */
export interface ActedJob extends JobCursor {
  readonly queue: QueueName;
  readonly state: JobState;
  readonly stage: StageName | null;
  readonly itemId: number | null;
  readonly videoId: number | null;
  readonly singletonKey: string | null;
  readonly priority: number;
  readonly startAfter: string;
  readonly endedAt: string | null;
  readonly error: string | null;
}

const CLIP_STAGES = Object.entries(STAGES).flatMap(([stage, { item }]) => (item === 'clip' ? [stage] : []));
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
type Fragment = postgres.PendingQuery<postgres.Row[]>;

const iso = (sql: Sql, column: Fragment) => sql`to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
const errorOf = (sql: Sql) =>
  sql`case when j.state <> 'completed' then coalesce(j.output ->> 'message', j.output -> 'value' ->> 'message') end`;

/**
 * The condition of a filter, on `pgboss.job j`; each is served by an index: see `watch_jobs` in migration 0021.
 * `titledIds` is what `titledVideos` gives.
 */
function matches(sql: Sql, filter: JobFilter, titledIds: readonly number[]): Fragment {
  const parts: Fragment[] = [];
  if (filter.queue !== null) parts.push(sql`j.name = ${filter.queue}`);
  if (filter.state !== null) parts.push(sql`j.state = ${filter.state}::pgboss.job_state`);
  if (filter.stage !== null) parts.push(sql`j.name = ${STAGES[filter.stage].queue} and j.data ->> 'stage' = ${filter.stage}`);
  if (filter.videoId !== null) parts.push(sql`(j.data ->> 'videoId')::int = ${filter.videoId}`);
  if (filter.clipId !== null) {
    parts.push(sql`
      (j.data ->> 'videoId')::int = (select video_id from clips where id = ${filter.clipId})
      and j.data ->> 'itemId' = ${String(filter.clipId)} and j.data ->> 'stage' = any(${CLIP_STAGES})`);
  }
  if (filter.from !== null) parts.push(sql`j.created_on >= ${filter.from}::timestamptz`);
  if (filter.to !== null) parts.push(sql`j.created_on < ${filter.to}::timestamptz`);
  if (filter.text !== null) parts.push(saysText(sql, filter.text, titledIds));
  return parts.reduce((all, part) => sql`${all} and ${part}`, sql`j.name = any(${[...QUEUES]})`);
}

/** Jobs with an id, with words in their input or error, or of videos with words in their title. */
function saysText(sql: Sql, text: string, titledIds: readonly number[]): Fragment {
  if (UUID.test(text)) return sql`j.id = ${text}::uuid`;
  const words = text.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (words.length === 0) return sql`false`;
  const query = words.map((word) => `${word}:*`).join(' & ');
  const said = sql`job_text(j.data, j.output) @@ to_tsquery('simple', ${query})`;
  return titledIds.length === 0 ? said : sql`(${said} or (j.data ->> 'videoId')::int = any(${[...titledIds]}))`;
}

/** The latest videos whose title has a filter's text in it. */
async function titledVideos(sql: Sql, { text }: JobFilter): Promise<number[]> {
  if (text === null || UUID.test(text)) return [];
  const rows = await sql<{ id: number }[]>`
    select id from videos where title ilike ${`%${text.replace(/[\\%_]/g, '\\$&')}%`} order by id desc limit 200`;
  return rows.map(({ id }) => id);
}

const after = (sql: Sql, cursor: JobCursor | null) =>
  cursor === null ? sql`true` : sql`(j.created_on, j.id) < (${cursor.createdAt}::timestamptz, ${cursor.id}::uuid)`;

/** Jobs that match a filter, newest first, after a cursor. */
export async function findJobs(sql: Sql, filter: JobFilter, cursor: JobCursor | null, limit: number): Promise<JobView[]> {
  return readJobs(sql, sql`${matches(sql, filter, await titledVideos(sql, filter))} and ${after(sql, cursor)}`, limit);
}

/** Jobs by their ids, newest first. */
export async function jobsById(sql: Sql, ids: readonly string[]): Promise<JobView[]> {
  return readJobs(sql, sql`j.name = any(${[...QUEUES]}) and j.id = any(${[...ids]}::uuid[])`, ids.length);
}

/** How many jobs match a filter, counted up to `limit`. */
export async function countJobs(sql: Sql, filter: JobFilter, limit: number): Promise<number> {
  const where = matches(sql, filter, await titledVideos(sql, filter));
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from (select from pgboss.job j where ${where} limit ${limit}) as counted`;
  return row!.count;
}

async function readJobs(sql: Sql, where: Fragment, limit: number): Promise<JobView[]> {
  type Row = Omit<JobView, 'item' | 'label'> & {
    itemId: number | null;
    videoId: number | null;
    title: string | null;
    other: string | null;
  };
  const rows = await sql<Row[]>`
    select j.id, j.name as queue, j.state, j.data ->> 'stage' as stage, coalesce(j.data ->> 'schedule', case when j.data ? 'webhookDelivery' then 'Webhook delivery' end) as other,
           (j.data ->> 'itemId')::int as "itemId", (j.data ->> 'videoId')::int as "videoId", v.title, j.priority,
           ${iso(sql, sql`j.created_on`)} as "createdAt", ${iso(sql, sql`j.start_after`)} as "startAfter",
           ${iso(sql, sql`j.started_on`)} as "startedAt", ${iso(sql, sql`j.completed_on`)} as "endedAt",
           coalesce(a.number, 0) as "attemptCount", a.host, ${errorOf(sql)} as error, r.percent
    from (select * from pgboss.job j where ${where} order by j.created_on desc, j.id desc limit ${limit}) as j
    left join videos v on v.id = (j.data ->> 'videoId')::int
    left join lateral (select number, host from job_attempts where job_id = j.id order by id desc limit 1) as a on true
    left join stage_runs r on j.state = 'active' and r.state = 'running' and r.stage = j.data ->> 'stage'
      and r.item_id = (j.data ->> 'itemId')::int and r.item_kind = case when r.stage = any(${CLIP_STAGES}) then 'clip' else 'video' end
    order by j.created_on desc, j.id desc`;
  return rows.map(({ itemId, videoId, title, other, ...job }) => {
    const stage = job.stage !== null && job.stage in STAGES ? job.stage : null;
    const item = stage === null || itemId === null || videoId === null ? null : { kind: STAGES[stage].item, id: itemId, videoId, title };
    return {
      ...job,
      error: job.error === null ? null : withoutUrls(job.error),
      stage,
      label: stage === null ? (other ?? 'unknown') : STAGES[stage].label,
      item,
    };
  });
}

/** A job's input and what came out of it; null when there is no such job. */
export async function jobContents(sql: Sql, id: string): Promise<{ readonly input: unknown; readonly output: unknown } | null> {
  const [row] = await sql<{ input: unknown; output: unknown }[]>`
    select data as input, output from pgboss.job where name = any(${[...QUEUES]}) and id = ${id}`;
  return row ?? null;
}

/** How many jobs of its queue run before a waiting one. */
export async function jobsAhead(sql: Sql, { queue, id }: { readonly queue: QueueName; readonly id: string }): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from (
      select from pgboss.job j, pgboss.job me
      where me.name = ${queue} and me.id = ${id} and j.name = me.name and j.state < 'active' and not j.blocked and j.start_after <= now()
        and (j.priority > me.priority or (j.priority = me.priority and j.created_on < me.created_on))
      limit 10000) as ahead`;
  return row!.count;
}

/** Since when the oldest job of each queue waits that could run, in ms since 1970. */
export async function oldestWaiting(sql: Sql): Promise<Map<QueueName, number>> {
  const rows = await sql<{ queue: QueueName; ms: number | null }[]>`
    select q.name as queue, (extract(epoch from least(
        (select created_on from pgboss.job where name = q.name and state = 'created' and start_after <= now() order by created_on, id limit 1),
        (select created_on from pgboss.job where name = q.name and state = 'retry' and start_after <= now() order by created_on, id limit 1)
      )) * 1000)::float8 as ms
    from unnest(${[...QUEUES]}::text[]) as q (name)`;
  return new Map(rows.flatMap(({ queue, ms }) => (ms === null ? [] : [[queue, ms]])));
}

/** What each process does right now, and on which machine of the pool it has it done. */
export async function runningJobs(
  sql: Sql,
): Promise<{ readonly workerId: string; readonly jobId: string; readonly startedAt: string; readonly machine: string | null }[]> {
  return sql<{ workerId: string; jobId: string; startedAt: string; machine: string | null }[]>`
    select a.worker_id as "workerId", a.job_id as "jobId", ${iso(sql, sql`a.started_at`)} as "startedAt",
           (select r.machine_id from pool_calls c join pool_runners r on r.id = c.runner_id
            where split_part(c.idem_key, ':', 1) = a.job_id::text and c.state = 'running' limit 1) as machine
    from job_attempts a where a.ended_at is null order by a.id desc limit 200`;
}

/** The schedules, each with its latest job. */
export async function schedules(sql: Sql): Promise<
  {
    readonly key: string;
    readonly queue: QueueName;
    readonly cron: string;
    readonly lastJobId: string | null;
    readonly lastState: JobState | null;
    readonly lastRunAt: string | null;
  }[]
> {
  return sql<
    { key: string; queue: QueueName; cron: string; lastJobId: string | null; lastState: JobState | null; lastRunAt: string | null }[]
  >`
    select s.key, s.name as queue, s.cron, j.id as "lastJobId", j.state as "lastState", ${iso(sql, sql`j.started_on`)} as "lastRunAt"
    from pgboss.schedule s
    left join lateral (
      select id, state, started_on from pgboss.job
      where name = s.name and data ->> 'schedule' = s.key and started_on is not null order by created_on desc limit 1) as j on true
    order by s.key`;
}

/** Calls of the runner pool that a job made, the first one first. */
export async function callsOf(sql: Sql, jobId: string): Promise<JobCallView[]> {
  return sql<JobCallView[]>`
    select c.id, c.task, nullif(split_part(c.idem_key, ':', 2), '') as name, c.state, c.attempt, (c.progress ->> 'percent')::float8 as percent,
           r.machine_id as machine, r.region, c.error, ${iso(sql, sql`c.created_at`)} as "createdAt",
           ${iso(sql, sql`c.started_at`)} as "startedAt", ${iso(sql, sql`c.finished_at`)} as "endedAt"
    from pool_calls c left join pool_runners r on r.id = c.runner_id
    where split_part(c.idem_key, ':', 1) = ${jobId} order by c.id limit 500`;
}

const acted = (sql: Sql) => sql`
  j.id, j.name as queue, j.state, j.data ->> 'stage' as stage, (j.data ->> 'itemId')::int as "itemId", (j.data ->> 'videoId')::int as "videoId",
  j.singleton_key as "singletonKey", j.priority, ${iso(sql, sql`j.created_on`)} as "createdAt", ${iso(sql, sql`j.start_after`)} as "startAfter",
  ${iso(sql, sql`j.completed_on`)} as "endedAt", ${errorOf(sql)} as error`;

/** Jobs by their ids, as an action needs them. */
export async function jobsToActOn(sql: Sql, ids: readonly string[]): Promise<ActedJob[]> {
  return sql<ActedJob[]>`
    select ${acted(sql)} from pgboss.job j
    where j.name = any(${[...QUEUES]}) and j.id = any(${[...ids]}::uuid[]) order by j.created_on desc, j.id desc`;
}

/** A part of the jobs that match a filter and are in one of these states, newest first. */
export async function matchingJobs(
  sql: Sql,
  filter: JobFilter,
  states: readonly JobState[],
  cursor: JobCursor | null,
  limit: number,
): Promise<ActedJob[]> {
  const where = matches(sql, filter, await titledVideos(sql, filter));
  return sql<ActedJob[]>`
    select ${acted(sql)} from pgboss.job j
    where ${where} and ${after(sql, cursor)} and j.state = any(${[...states]}::pgboss.job_state[])
    order by j.created_on desc, j.id desc limit ${limit}`;
}

/** Those of these jobs in whose place another one waits or runs already. */
export async function replacedJobs(sql: Sql, ids: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`
    select j.id from pgboss.job j
    where j.name = any(${[...QUEUES]}) and j.id = any(${[...ids]}::uuid[]) and exists (
      select from pgboss.job o
      where o.name = j.name and coalesce(o.singleton_key, '') = coalesce(j.singleton_key, '') and o.policy = 'exclusive'
        and o.state <= 'active' and o.id <> j.id)`;
  return new Set(rows.map(({ id }) => id));
}

/** Has changes of pg-boss's jobs noted and its table indexed for our lists. Harmless to repeat: see migration 0021. */
export async function watchJobs(sql: Sql): Promise<void> {
  await sql`select watch_jobs()`;
}

/** Ends a running job as failed, however many attempts its queue would give it. False when it is not running any more. */
export async function failJobForGood(tx: Transaction, queue: QueueName, id: string, reason: string): Promise<boolean> {
  const rows = await tx`
    update pgboss.job set state = 'failed', completed_on = now(), output = ${tx.json({ message: reason })}
    where name = ${queue} and id = ${id} and state = 'active' returning id`;
  return rows.length === 1;
}

/** Puts waiting jobs back to how they had ended. Gives those that were still waiting. */
export async function endAgain(
  tx: Transaction,
  jobs: readonly { readonly queue: QueueName; readonly id: string; readonly state: JobState; readonly endedAt: string | null }[],
): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    update pgboss.job j set state = o.state, completed_on = coalesce(o.ended_at, now())
    from unnest(${jobs.map(({ queue }) => queue)}::text[], ${jobs.map(({ id }) => id)}::uuid[],
                ${jobs.map(({ state }) => state)}::pgboss.job_state[], ${jobs.map(({ endedAt }) => endedAt)}::timestamptz[])
      as o (queue, id, state, ended_at)
    where j.name = o.queue and j.id = o.id and j.state < 'active' returning j.id`;
  return rows.map(({ id }) => id);
}
