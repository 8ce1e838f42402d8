import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '#lib/server/db.ts';
import { FlyApi } from '#lib/server/pool/backends/fly-api.ts';
import { FlyBackend } from '#lib/server/pool/backends/fly.ts';
import { CallTaken } from '#lib/server/pool/pool.ts';
import { callOptions, startTestPool, TEST_RUNNER } from './pool.ts';
import { echo } from './tasks.ts';

// A parent to be killed at any moment: does every job of `chaos_jobs` that is not done, and counts the commit.
const { DATABASE_URL: databaseUrl = '', FLY_ORIGIN: origin = '', FLY_TOKEN: token = '', DATA_DIR: dataDir = '' } = process.env;
const sql = connect(databaseUrl, 5);
const api = new FlyApi({ origin, app: 'heaters', token, timeoutMs: 1_000, reserve: () => Promise.resolve(0) });
const backend = new FlyBackend({ api, deployment: 'test', image: 'heaters:1', regions: ['iad', 'lhr'], command: TEST_RUNNER });
const pool = await startTestPool(sql, databaseUrl, { backend, dataDir });
const underWay = new Set<number>();
process.on('unhandledRejection', () => undefined);

for (;;) {
  const jobs = await sql<{ id: number; ms: number }[]>`select id, ms from chaos_jobs where commits = 0 order by id`.catch(() => []);
  for (const job of jobs.filter(({ id }) => !underWay.has(id))) {
    underWay.add(job.id);
    void work(job)
      .catch(() => undefined)
      .finally(() => underWay.delete(job.id));
  }
  await sleep(100);
}

async function work({ id, ms }: { id: number; ms: number }): Promise<void> {
  const result = await pool.call(echo, { text: String(id), ms }, callOptions({ idemKey: `job-${id}` }));
  await sql
    .begin(async (tx) => {
      await result.commit(tx);
      await tx`update chaos_jobs set commits = commits + 1, answer = ${result.output.text} where id = ${id}`;
    })
    .catch((error: unknown) => {
      if (!(error instanceof CallTaken)) throw error;
    });
}
