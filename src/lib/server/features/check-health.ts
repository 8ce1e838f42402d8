import { QUEUES } from '#lib/jobs/stages.ts';
import type { Sql } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { missingQueues, ping } from '#lib/server/stores/health.ts';

/** What a web process needs in order to serve people. */
export type HealthCheck = 'database' | 'store' | 'queues';

/** Whether all of it is there; for what is not, a sentence that strangers may read: no address, no name, no secret. */
export interface Readiness {
  readonly isReady: boolean;
  readonly checks: Readonly<Record<HealthCheck, 'ok' | string>>;
}

const REASONS: Readonly<Record<HealthCheck, string>> = {
  database: 'The database does not answer.',
  store: 'The object store can’t be reached.',
  queues: 'The job queues can’t be reached, or have not been made by the migration.',
};

/** Asks the database, the object store and the job queues, each within a time; why one is away is in the log. */
export async function readiness(sql: Sql, timeoutMs: number): Promise<Readiness> {
  const asked: Record<HealthCheck, () => Promise<void>> = {
    database: () => ping(sql),
    store: () => objectStore().check(),
    queues: async () => {
      const missing = await missingQueues(sql, QUEUES);
      if (missing.length > 0) throw new Error(`There are no queues ${missing.join(', ')}: run the migration.`);
    },
  };
  const answers = await Promise.all(
    (Object.keys(asked) as HealthCheck[]).map(async (name) => {
      try {
        await within(asked[name](), timeoutMs);
        return [name, 'ok'] as const;
      } catch (error) {
        log.warn({ err: error, check: name }, 'not ready');
        return [name, REASONS[name]] as const;
      }
    }),
  );
  return { isReady: answers.every(([, answer]) => answer === 'ok'), checks: Object.fromEntries(answers) as Readiness['checks'] };
}

async function within(answer: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${timeoutMs} ms.`)), timeoutMs);
  });
  await Promise.race([answer, tooLate]).finally(() => clearTimeout(timer));
}
