import { troublesOf } from '#lib/core/troubles.ts';
import { QUEUES, RUNNER_POOL } from '#lib/jobs/stages.ts';
import { config } from '#lib/server/config.ts';
import type { Sql } from '#lib/server/db.ts';
import { bootFailures, databaseLoad, failuresInARow } from '#lib/server/stores/health.ts';
import { databaseNowMs } from '#lib/server/stores/outbox.ts';
import { playbackCaches } from '#lib/server/stores/playback-files.ts';
import { machineReaches } from '#lib/server/stores/pool-watch.ts';
import { reportedProcesses } from '#lib/server/stores/process-reports.ts';

/** What the system page shows: how the parts stand, and what is wrong with its cure. */
export async function systemPage(sql: Sql) {
  const [caches, processes, database, boots, machines, temporaryClips, nowMs] = await Promise.all([
    playbackCaches(sql),
    reportedProcesses(sql),
    databaseLoad(sql),
    bootFailures(sql, RUNNER_POOL),
    machineReaches(sql, RUNNER_POOL),
    failuresInARow(sql, 'temp_clips'),
    databaseNowMs(sql),
  ]);
  const living = processes.filter(({ isLost }) => !isLost);
  const missingMigrations = [...new Set(living.flatMap(({ report }) => report.missingMigrations))];
  const { minFreeBytes } = config().playbackCache;
  return {
    ...{ caches, processes, database, missingMigrations, minFreeBytes, nowMs },
    queues: QUEUES.map((queue) => ({
      queue,
      by: living.filter(({ report }) => report.queues.includes(queue)).map(({ role, host }) => `${role} on ${host}`),
    })),
    troubles: troublesOf({ queues: QUEUES, processes, minFreeBytes, database, missingMigrations, boots, machines, temporaryClips }),
  };
}
