/**
 * Jobs a second beside a bare pg-boss: `npm run bench -- jobs [--jobs 1000]`.
 *
 * A worker as a process of its own runs stages that find nothing to do (clips to embed where no model is): what is measured is all
 * that Heaters does around a job, with its attempts, log lines, progress and events. Bare pg-boss does as many empty jobs with as many
 * places, on the same database.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { PgBoss } from 'pg-boss';
import type { QueueName } from '#lib/jobs/stages.ts';
import type { Database } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { openEnvironment } from '../tests/support/environment.ts';
import { startWorker, stopWorker } from '../tests/support/worker.ts';

const QUEUE: QueueName = 'background_jobs';
const PLACES = 8;

/** Runs the bench; `args` are what follows its name on the command line. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { jobs: { type: 'string', default: '1000' } } });
  const jobs = Number(values.jobs);
  const env = await openEnvironment();
  const ann = await env.addPerson('Ann', 'reviewer');
  try {
    const bareJobsPerSec = await bare(env.sql, jobs);
    await env.sql`insert into queue_settings (queue, concurrency) values (${QUEUE}, ${PLACES})`;
    const videoIds: number[] = [];
    for (let index = 0; index < jobs; index += 1) videoIds.push(await env.addVideo(ann, 10, []));
    for (const id of videoIds) await env.sql.begin((tx) => enqueueStage(tx, 'embed', { itemId: id, videoId: id }));
    const worker = startWorker({ JOB_QUEUES: QUEUE, MODEL_DIR: 'none' });
    const jobsPerSec = await rateOf(env.sql, QUEUE, jobs);
    await stopWorker(worker);
    const figures = { jobs, jobsPerSec, bareJobsPerSec, ratio: Math.round((bareJobsPerSec / jobsPerSec) * 100) / 100 };
    console.table([figures]);
    console.log(JSON.stringify(figures));
  } finally {
    await env.close();
  }
}

async function bare(sql: Database, jobs: number): Promise<number> {
  const boss = new PgBoss({ connectionString: process.env.DATABASE_URL!, max: 4, useListenNotify: true });
  boss.on('error', (error) => console.error(error.message));
  await boss.start();
  await boss.createQueue('bare', { notify: true });
  await boss.insert(
    'bare',
    Array.from({ length: jobs }, () => ({ data: {} })),
  );
  const options = { pollingIntervalSeconds: 2, notifyPollingIntervalSeconds: 2 };
  const rate = rateOf(sql, 'bare', jobs);
  for (let place = 0; place < PLACES; place += 1) {
    let id: string | null = null;
    id = await boss.work('bare', options, async () => {
      // As in the app, the next job at once: without, a place rests out its polling interval after each.
      if (id !== null) boss.notifyWorker(id);
    });
  }
  const jobsPerSec = await rate;
  await boss.stop({ graceful: false });
  return jobsPerSec;
}

/** Jobs a second of a queue, from the first that is begun to the last that is done. */
async function rateOf(sql: Database, queue: string, jobs: number): Promise<number> {
  for (;;) {
    const [row] = await sql<{ done: number; seconds: number }[]>`
      select count(*)::int as done, extract(epoch from max(completed_on) - min(started_on))::float8 as seconds
      from pgboss.job where name = ${queue} and state = 'completed'`;
    if (row!.done === jobs) return Math.round(jobs / row!.seconds);
    await sleep(200);
  }
}
