/**
 * The queue monitor over many jobs: `npm run bench -- queues [--jobs 1000000] [--reads 40]`.
 *
 * Jobs of all queues and stages, most of them done, over two weeks. Beside the page's own reads stands the read of one row
 * by its primary key: the least that any page costs.
 */
import { parseArgs } from 'node:util';
import { connect, type Database } from '../src/lib/server/db.ts';
import { foldJobChanges, jobDetail, jobPage, queueOverview } from '../src/lib/server/features/watch-queues.ts';
import { parseJobFilter } from '../src/lib/live/job-views.ts';
import { createTestDatabase } from '../tests/support/database.ts';
import { percentile } from './support.ts';

const VIDEOS = 2_000;

/** Filters as an operator uses them, by what they are called in the table. */
const FILTERS: Readonly<Record<string, string>> = {
  'all jobs': '',
  failed: 'state=failed',
  'failed exports': 'state=failed&queue=exports',
  'one stage': 'stage=embed',
  'one stage, failed': 'stage=detect-scenes&state=failed',
  'one video': 'videoId=777',
  'a rare word': 'text=sprocket',
  'a frequent word': 'text=export',
  'words, failed': 'text=disk+full&state=failed',
  'a title': 'text=Film+1234',
};

/** Runs the bench; `args` are what follows its name on the command line. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { jobs: { type: 'string', default: '1000000' }, reads: { type: 'string', default: '40' } },
  });
  const [jobs, reads] = [Number(values.jobs), Number(values.reads)];
  const database = await createTestDatabase();
  // What asks for the next run of a schedule goes by the configuration.
  Object.assign(process.env, { DATABASE_URL: database.url, SECRET_KEY_BASE: 'only-for-benches-'.repeat(4) });
  const sql = connect(database.url, 10);
  try {
    await fill(sql, jobs);
    const [some] = await sql<{ id: string; createdAt: string }[]>`
      select id, to_char(created_on at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "createdAt"
      from pgboss.job where name = 'exports' order by created_on offset 5000 limit 1`;
    const read = (query: string, after: string | null = null) => jobPage(sql, parseJobFilter(new URLSearchParams(query)), after);
    const row = await measure(reads, () => sql`select data, state from pgboss.job where name = 'exports' and id = ${some!.id}`);
    const overview = await measure(reads, () => queueOverview(sql));
    const detail = await measure(reads, () => jobDetail(sql, some!.id));
    const deep = await measure(reads, () => read('', `${some!.createdAt},${some!.id}`));
    const filters: Record<string, Figures> = {};
    for (const [name, query] of Object.entries(FILTERS)) filters[name] = await measure(reads, () => read(query));
    const page = await measure(reads, () => Promise.all([queueOverview(sql), read('')]));
    console.table({ 'row by primary key': row, 'whole page': page, overview, 'one job': detail, 'deep in the list': deep, ...filters });
    const slowest = Object.entries(filters).reduce((most, each) => (each[1].p95Ms > most[1].p95Ms ? each : most));
    console.log(
      JSON.stringify({
        jobs,
        ...{ rowP50Ms: row.p50Ms, pageP50Ms: page.p50Ms, pageP95Ms: page.p95Ms, pageToRow: Math.round(page.p50Ms / row.p50Ms) },
        ...{ filterP50Ms: filters.failed!.p50Ms, filterP95Ms: filters.failed!.p95Ms },
        ...{ slowestFilter: slowest[0], slowestFilterP95Ms: slowest[1].p95Ms, jobP95Ms: detail.p95Ms },
      }),
    );
  } finally {
    await sql.end();
    await database.drop();
  }
}

interface Figures {
  readonly p50Ms: number;
  readonly p95Ms: number;
}

async function measure(reads: number, read: () => Promise<unknown>): Promise<Figures> {
  const ms: number[] = [];
  // The first one reads from the disk what the others find in memory.
  for (let done = -1; done < reads; done += 1) {
    const beganMs = performance.now();
    await read();
    if (done >= 0) ms.push(performance.now() - beganMs);
  }
  return { p50Ms: percentile(ms, 0.5), p95Ms: percentile(ms, 0.95) };
}

/** Puts in the jobs as pg-boss would have left them: one in fifty failed, a thousandth still waits. */
async function fill(sql: Database, count: number): Promise<void> {
  await sql`
    insert into videos (title, file_name, state, frame_count, frame_rate_num, frame_rate_den)
    select 'Film ' || n, 'film.mp4', 'ready', 1000, 25, 1 from generate_series(1, ${VIDEOS}::int) n`;
  const PART = 50_000;
  for (let from = 0; from < count; from += PART) {
    await sql`
      insert into pgboss.job (name, data, state, policy, singleton_key, created_on, start_after, started_on, completed_on, output, retry_limit)
      select (array['default', 'media_processing', 'media_processing', 'exports', 'exports', 'temp_clips', 'temp_clips', 'temp_clips',
                    'background_jobs', 'background_jobs'])[1 + n % 10],
        case n % 10 when 0 then jsonb_build_object('schedule', 'dispatch')
        else jsonb_build_object('stage', (array['', 'encode', 'detect-scenes', 'export', 'export', 'temp-clip', 'temp-clip', 'temp-clip',
               'keyframes', 'embed'])[1 + n % 10], 'itemId', n / 10, 'videoId', 1 + (n / 10) % ${VIDEOS}::int) end,
        (case when n % 1000 = 999 then 'created' when n % 50 = 13 then 'failed' when n % 200 = 28 then 'cancelled' else 'completed' end)::pgboss.job_state,
        'exclusive', 'job ' || n, at, at, case when n % 1000 <> 999 then at + interval '2 seconds' end,
        case when n % 1000 <> 999 then at + interval '2 seconds' + (n % 97) * interval '150 milliseconds' end,
        case when n % 50 = 13 then jsonb_build_object('message', case when n % 5000 = 13 then 'The sprocket is worn out.'
          when n % 3 = 0 then 'The disk is full.' else 'ffmpeg ended with code 1: Invalid data found when processing input' end) end, 50
      from generate_series(${from}::int, ${Math.min(count, from + PART) - 1}::int) n,
        lateral (select now() - interval '14 days' * (1 - n::float8 / ${count}) as at) t`;
  }
  while (await foldJobChanges(sql));
  await sql`vacuum analyze`;
}
