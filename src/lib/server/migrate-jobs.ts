import { PgBoss } from 'pg-boss';
import { QUEUES } from '#lib/jobs/stages.ts';
import { connect } from '#lib/server/db.ts';
import { watchJobs } from '#lib/server/stores/jobs.ts';

/** Any number that nothing else locks. */
const LOCK_ID = 7_246;

/** Brings the job queue's own schema up to date, makes our queues, and has their jobs watched. Harmless to repeat, and to call at once. */
export async function migrateJobs(databaseUrl: string): Promise<void> {
  const sql = connect(databaseUrl, 1);
  try {
    // One release after the other: making queues and watching their jobs lock the same tables, in another order.
    await sql`select pg_advisory_lock(${LOCK_ID})`;
    await makeQueues(databaseUrl);
    await watchJobs(sql);
  } finally {
    await sql.end();
  }
}

async function makeQueues(databaseUrl: string): Promise<void> {
  const boss = new PgBoss({ connectionString: databaseUrl, max: 2, supervise: false, schedule: false });
  let failure: unknown;
  boss.on('error', (error) => (failure = error));
  await boss.start();
  try {
    for (const name of QUEUES) {
      // Exclusive: one waiting or running job for a singleton key, so that none is doubled.
      await boss.createQueue(name, { policy: 'exclusive', notify: true, deleteAfterSeconds: 14 * 24 * 3600 });
    }
  } finally {
    await boss.stop({ graceful: false });
  }
  if (failure !== undefined) throw failure;
}
