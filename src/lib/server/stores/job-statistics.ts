import type { DurationBins, JobChange, JobPeriod } from '#lib/core/job-statistics.ts';
import { JOB_STATES, type JobState } from '#lib/core/job-rules.ts';
import { QUEUES, type QueueName } from '#lib/jobs/stages.ts';
import type { JobCounts } from '#lib/live/job-views.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** How long a period is. */
export type Grain = 'minute' | 'hour';

/** A change as the triggers on pg-boss's table note it: see migration 0021. */
export type NotedChange = JobChange & { readonly jobIds: readonly string[] };

/** Takes changes that nobody has folded yet, at most `limit`. Another process that takes at the same time gets others. */
export async function takeChanges(tx: Transaction, limit: number): Promise<NotedChange[]> {
  return [
    ...(await tx<NotedChange[]>`
      delete from job_changes where id in (select id from job_changes order by id limit ${limit} for update skip locked)
      returning (extract(epoch from at) * 1000)::float8 as "atMs", queue, from_state as "from", to_state as "to", job_count as count,
                wait_bin as "waitBin", run_bin as "runBin", job_ids as "jobIds"`),
  ];
}

/** Adds to counts; in a fixed order, so that two who add never wait for each other in a circle. */
export async function addToCounts(
  tx: Transaction,
  deltas: readonly { readonly queue: string; readonly state: string; readonly delta: number }[],
): Promise<void> {
  for (const { queue, state, delta } of deltas.toSorted((a, b) => (`${a.queue} ${a.state}` < `${b.queue} ${b.state}` ? -1 : 1))) {
    await tx`
      insert into job_counts as known (queue, state, job_count) values (${queue}, ${state}, ${delta})
      on conflict (queue, state) do update set job_count = known.job_count + excluded.job_count`;
  }
}

/** Adds to the periods of queues, in a fixed order. */
export async function addToPeriods(
  tx: Transaction,
  grain: Grain,
  periods: readonly (JobPeriod & { readonly queue: string })[],
): Promise<void> {
  for (const period of periods.toSorted((a, b) => a.atMs - b.atMs || (a.queue < b.queue ? -1 : 1))) {
    const { queue, atMs, added, done, failed, retried, cancelled, wait, run } = period;
    await tx`
      insert into job_statistics as known (grain, queue, at, added, done, failed, retried, cancelled, wait_bins, run_bins)
      values (${grain}, ${queue}, to_timestamp(${atMs / 1000}::float8), ${added}, ${done}, ${failed}, ${retried}, ${cancelled},
              ${tx.json({ ...wait })}, ${tx.json({ ...run })})
      on conflict (grain, at, queue) do update
        set added = known.added + excluded.added, done = known.done + excluded.done, failed = known.failed + excluded.failed,
            retried = known.retried + excluded.retried, cancelled = known.cancelled + excluded.cancelled,
            wait_bins = merge_bins(known.wait_bins, excluded.wait_bins), run_bins = merge_bins(known.run_bins, excluded.run_bins)`;
  }
}

/** How many jobs of each queue are in each state: what is folded, and what is not yet. */
export async function jobCounts(sql: Sql): Promise<Map<QueueName, JobCounts>> {
  const rows = await sql<{ queue: QueueName; state: JobState; count: number }[]>`
    select queue, state, sum(job_count)::float8 as count
    from (select queue, state, job_count from job_counts
          union all select queue, from_state, -job_count from job_changes where from_state is not null
          union all select queue, to_state, job_count from job_changes where to_state is not null) as counted
    group by queue, state`;
  const none = Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as Record<JobState, number>;
  const counts = new Map<QueueName, Record<JobState, number>>(QUEUES.map((queue) => [queue, { ...none }]));
  for (const { queue, state, count } of rows) {
    const known = counts.get(queue);
    if (known !== undefined) known[state] = count;
  }
  return counts;
}

/** The periods of all queues since a time, in ms since 1970. */
export async function periodsSince(sql: Sql, grain: Grain, sinceMs: number): Promise<Map<QueueName, JobPeriod[]>> {
  const rows = await sql<(JobPeriod & { queue: QueueName; wait: DurationBins; run: DurationBins })[]>`
    select queue, (extract(epoch from at) * 1000)::float8 as "atMs", added, done, failed, retried, cancelled,
           wait_bins as wait, run_bins as run
    from job_statistics where grain = ${grain} and at >= to_timestamp(${sinceMs / 1000}::float8) order by at`;
  return Map.groupBy([...rows], (row) => row.queue);
}

/** Forgets statistics of long ago. */
export async function removeOldStatistics(sql: Sql, keep: { readonly minuteDays: number; readonly hourDays: number }): Promise<void> {
  await sql`
    delete from job_statistics
    where at < now() - make_interval(days => case grain when 'minute' then ${keep.minuteDays}::int else ${keep.hourDays}::int end)`;
}
