import type { QueueName } from '#lib/jobs/stages.ts';
import type { AttemptView, JobLogLine } from '#lib/live/job-views.ts';
import type { Sql } from '#lib/server/db.ts';

/** How an attempt has ended. */
export type AttemptOutcome = NonNullable<AttemptView['outcome']>;

const MAX_ERROR_LENGTH = 10_000;

/** Notes that a process begins a job. Attempts of it that have not ended are lost: their process is gone. Gives the attempt's id. */
export async function beginAttempt(
  sql: Sql,
  attempt: {
    readonly jobId: string;
    readonly queue: QueueName;
    readonly workerId: string;
    readonly host: string;
    readonly pid: number;
  },
): Promise<number> {
  const { jobId, queue, workerId, host, pid } = attempt;
  await sql`
    update job_attempts set ended_at = now(), outcome = 'lost', error = 'Its process was gone.'
    where job_id = ${jobId} and ended_at is null`;
  const [row] = await sql<{ id: number }[]>`
    insert into job_attempts (job_id, queue, number, worker_id, host, pid)
    select ${jobId}, ${queue}, (select count(*) from job_attempts where job_id = ${jobId}) + 1, ${workerId}, ${host}, ${pid}
    returning id`;
  return row!.id;
}

/** Notes how an attempt has ended. */
export async function endAttempt(sql: Sql, id: number, outcome: AttemptOutcome, error: string | null): Promise<void> {
  await sql`
    update job_attempts set ended_at = now(), outcome = ${outcome}, error = ${error?.slice(0, MAX_ERROR_LENGTH) ?? null}
    where id = ${id} and ended_at is null`;
}

/** A job's attempts, the first one first. */
export async function attemptsOf(sql: Sql, jobId: string): Promise<AttemptView[]> {
  return [
    ...(await sql<AttemptView[]>`
      select id, number, worker_id as "workerId", host, pid, outcome, error,
             to_char(started_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "startedAt",
             to_char(ended_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "endedAt"
      from job_attempts where job_id = ${jobId} order by id desc limit 200`),
  ].reverse();
}

/** Stores what jobs have logged. */
export async function storeLogLines(sql: Sql, lines: readonly (Omit<JobLogLine, 'id'> & { readonly jobId: string })[]): Promise<void> {
  const rows = lines.map(({ jobId, attemptId, at, level, message, fields }) => ({
    ...{ job_id: jobId, attempt_id: attemptId, at, level, message, fields: sql.json(fields as never) },
  }));
  await sql`insert into job_log ${sql(rows as never)}`;
}

/** The latest lines that a job has logged after a line, the oldest first. */
export async function logOf(sql: Sql, jobId: string, afterId: number, limit: number): Promise<JobLogLine[]> {
  return [
    ...(await sql<JobLogLine[]>`
      select id, attempt_id as "attemptId", to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, level, message, fields
      from job_log where job_id = ${jobId} and id > ${afterId} order by id desc limit ${limit}`),
  ].reverse();
}

/** Forgets attempts and log lines of jobs that were deleted. */
export async function forgetAttempts(sql: Sql, jobIds: readonly string[]): Promise<void> {
  await sql`delete from job_attempts where job_id = any(${[...jobIds]})`;
  await sql`delete from job_log where job_id = any(${[...jobIds]})`;
}

/** Removes old attempts and log lines, in parts that hold no lock for long. Gives how many rows went. */
export async function removeOldAttempts(sql: Sql, olderThanDays: number): Promise<number> {
  const PART = 10_000;
  const age = sql`now() - make_interval(days => ${olderThanDays})`;
  let removed = 0;
  for (let part = PART; part === PART; removed += part) {
    part = (
      await sql`
      delete from job_attempts where id in (select id from job_attempts where started_at < ${age} order by started_at limit ${PART})`
    ).count;
  }
  for (let part = PART; part === PART; removed += part) {
    part = (await sql`delete from job_log where id in (select id from job_log where at < ${age} limit ${PART})`).count;
  }
  return removed;
}
