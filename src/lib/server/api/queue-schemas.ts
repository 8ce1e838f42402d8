import * as v from 'valibot';
import { JOB_STATES } from '#lib/core/job-rules.ts';
import { QUEUES } from '#lib/jobs/stages.ts';
import { stageName, time, wholeNumber } from '#lib/server/api/schemas.ts';

/** What the API tells of queues and jobs; as with all answers, what is not here is not told. */
const jobState = v.picklist(JOB_STATES);
const queueName = v.picklist(QUEUES);
export const JobSchema = v.object({
  id: v.pipe(v.string(), v.uuid()),
  queue: queueName,
  state: jobState,
  stage: v.pipe(v.nullable(stageName), v.description('Null for what is no stage of a video, such as a schedule.')),
  label: v.string(),
  item: v.nullable(v.object({ kind: v.picklist(['video', 'clip']), id: wholeNumber, videoId: wholeNumber, title: v.nullable(v.string()) })),
  priority: wholeNumber,
  createdAt: time,
  startAfter: time,
  startedAt: v.nullable(time),
  endedAt: v.nullable(time),
  attemptCount: wholeNumber,
  error: v.nullable(v.string()),
  percent: v.nullable(v.number()),
  host: v.nullable(v.string()),
});
export const JobDetailSchema = v.object({
  job: JobSchema,
  waitsFor: v.pipe(v.nullable(v.string()), v.description('Why it waits; null when it does not.')),
  input: v.unknown(),
  output: v.unknown(),
  attempts: v.array(
    v.object({
      ...{ number: wholeNumber, host: v.string(), startedAt: time, endedAt: v.nullable(time), error: v.nullable(v.string()) },
      outcome: v.nullable(v.picklist(['done', 'failed', 'cancelled', 'released', 'lost'])),
    }),
  ),
  log: v.array(
    v.object({
      at: time,
      level: v.pipe(wholeNumber, v.description('30 for information, 40 for a warning, 50 for an error.')),
      message: v.string(),
      fields: v.record(v.string(), v.unknown()),
    }),
  ),
});
export const QueueSchema = v.object({
  name: queueName,
  counts: v.object({
    ...{
      created: wholeNumber,
      retry: wholeNumber,
      active: wholeNumber,
      completed: wholeNumber,
      failed: wholeNumber,
      cancelled: wholeNumber,
    },
  }),
  isPaused: v.boolean(),
  concurrency: v.pipe(v.nullable(wholeNumber), v.description('Jobs that each process runs side by side, where an admin has set it.')),
  placeCount: v.pipe(wholeNumber, v.description('Jobs that all processes together run side by side.')),
  processCount: wholeNumber,
  oldestWaitingMs: v.pipe(v.nullable(v.number()), v.description('Since when its oldest job waits that could run, in ms since 1970.')),
});
export const QueueOverviewSchema = v.object({
  queues: v.array(QueueSchema),
  workers: v.array(
    v.object({
      ...{ id: v.string(), host: v.string(), pid: wholeNumber, role: v.string(), version: v.string(), isLost: v.boolean() },
      ...{ startedAt: time, heartbeatAt: time, running: v.array(v.object({ jobId: v.string(), label: v.string(), startedAt: time })) },
    }),
  ),
  schedules: v.array(
    v.object({
      ...{ key: v.string(), queue: queueName, cron: v.string(), lastRunAt: v.nullable(time), lastState: v.nullable(jobState) },
      ...{ lastJobId: v.nullable(v.string()), nextRunAt: time },
    }),
  ),
  problems: v.pipe(v.array(v.string()), v.description('What is wrong, each in a sentence that says what to do.')),
});
