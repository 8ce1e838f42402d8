import * as v from 'valibot';
import { JOB_ACTIONS, JOB_STATES } from '#lib/core/job-rules.ts';
import { QUEUES, type QueueName } from '#lib/jobs/stages.ts';
import type { QueueReply } from '#lib/live/job-views.ts';
import { fromCursor, toCursor } from '#lib/server/api/cursor.ts';
import { NOTHING, operation } from '#lib/server/api/define-operation.ts';
import { problem } from '#lib/server/api/problem.ts';
import { JobDetailSchema, JobSchema, QueueOverviewSchema, QueueSchema } from '#lib/server/api/queue-schemas.ts';
import * as schemas from '#lib/server/api/schemas.ts';
import type { Database } from '#lib/server/db.ts';
import { actOnJobs, undoJobAction } from '#lib/server/features/act-on-jobs.ts';
import { obeyQueueCommand } from '#lib/server/features/steer-queues.ts';
import { jobDetail, jobPage, queueOverview, readCursor } from '#lib/server/features/watch-queues.ts';

const { id, stageName, time, wholeNumber } = schemas;
const jobId = v.pipe(v.string(), v.uuid());
const queueName = v.picklist(QUEUES);
const isJobPlace = (cursor: string) => readCursor(fromCursor(cursor)) !== null;
const ActedSchema = v.object({
  actionId: v.pipe(v.nullable(wholeNumber), v.description('Undoes it; null when there is nothing to undo.')),
  doneCount: wholeNumber,
  skippedCount: wholeNumber,
  skipped: v.pipe(v.nullable(v.string()), v.description('Why some were skipped.')),
});

/** Queues and their jobs: for admins. */
export const queueOperations = [
  operation({
    id: 'listQueues',
    method: 'GET',
    path: '/queues',
    tag: 'Queues',
    scope: 'admin',
    summary: 'The queues, who works on them, the schedules, and what is wrong',
    answer: QueueOverviewSchema,
    run: async ({ sql }) => ({ kind: 'ok', body: await queueOverview(sql) }),
  }),
  operation({
    id: 'changeQueue',
    method: 'PATCH',
    path: '/queues/{queue}',
    tag: 'Queues',
    scope: 'admin',
    summary: 'Pause or resume a queue, or change how many of its jobs each process runs side by side',
    description: 'Jobs that run finish. A `concurrency` of null is what the program itself chooses.',
    params: { queue: queueName },
    body: v.object({
      isPaused: v.optional(v.boolean()),
      concurrency: v.optional(v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)))),
    }),
    answer: QueueSchema,
    problems: ['refused'],
    run: async ({ sql, actor, params: { queue }, body: { isPaused, concurrency } }) => {
      const before = await queueNow(sql, queue);
      const commands = [
        ...(isPaused === undefined || isPaused === before.isPaused ? [] : [{ kind: 'pause', queue, isPaused } as const]),
        ...(concurrency === undefined || concurrency === before.concurrency ? [] : [{ kind: 'concurrency', queue, concurrency } as const]),
      ];
      for (const command of commands) {
        const reply = await obeyQueueCommand(sql, actor, command);
        if (reply.kind === 'refused') return problem('refused', reply.message);
      }
      return { kind: 'ok', body: await queueNow(sql, queue) };
    },
  }),
  operation({
    id: 'runSchedule',
    method: 'POST',
    path: '/schedules/{key}/run',
    tag: 'Queues',
    scope: 'admin',
    summary: 'Run a schedule now',
    params: { key: v.picklist(['dispatch', 'sweep']) },
    answer: 'nothing',
    problems: ['refused'],
    run: async ({ sql, actor, params: { key } }) => {
      const reply = await obeyQueueCommand(sql, actor, { kind: 'run-schedule', key });
      return reply.kind === 'refused' ? problem('refused', reply.message) : NOTHING;
    },
  }),
  operation({
    id: 'listJobs',
    method: 'GET',
    path: '/jobs',
    tag: 'Queues',
    scope: 'admin',
    summary: 'Jobs, the newest first',
    query: {
      state: v.optional(v.picklist(JOB_STATES)),
      queue: v.optional(queueName),
      stage: v.optional(stageName),
      videoId: v.optional(id),
      clipId: v.optional(id),
      from: v.optional(v.pipe(time, v.description('Made then or later.'))),
      to: v.optional(v.pipe(time, v.description('Made before.'))),
      text: v.optional(v.pipe(schemas.text(200), v.description('An id, or words of the input, the error or the video’s title.'))),
      cursor: v.optional(v.pipe(v.string(), v.maxLength(200), v.check(isJobPlace, 'This is no cursor of this list.'))),
      limit: schemas.paging.limit,
    },
    answer: schemas.pageSchema(JobSchema),
    run: async ({ sql, query: { cursor, limit, ...wanted } }) => {
      const { state = null, queue = null, stage = null, videoId = null, clipId = null, from = null, to = null, text = null } = wanted;
      const filter = { state, queue, stage, videoId, clipId, from, to, text };
      const { jobs, next } = await jobPage(sql, filter, cursor === undefined ? null : fromCursor(cursor), limit);
      return { kind: 'ok', body: { items: jobs, nextCursor: next === null ? null : toCursor(next) } };
    },
  }),
  operation({
    id: 'getJob',
    method: 'GET',
    path: '/jobs/{jobId}',
    tag: 'Queues',
    scope: 'admin',
    summary: 'A job with its attempts, what it has logged, and why it waits',
    params: { jobId },
    answer: JobDetailSchema,
    problems: ['not-found'],
    run: async ({ sql, params }) => {
      const detail = await jobDetail(sql, params.jobId);
      return detail === null
        ? problem('not-found', 'There is no such job: it was deleted, or its time is over.')
        : { kind: 'ok', body: detail };
    },
  }),
  operation({
    id: 'actOnJobs',
    method: 'POST',
    path: '/job-actions',
    tag: 'Queues',
    scope: 'admin',
    summary: 'Retry, cancel, delete, move up or run jobs now, as far as their states allow',
    description:
      'A job that runs is stopped when it is cancelled. What is done can be undone for as long as the jobs have not gone on; deletion can’t.',
    body: v.object({
      action: v.picklist(JOB_ACTIONS),
      jobIds: v.pipe(v.array(jobId), v.minLength(1), v.maxLength(500)),
      priority: v.optional(v.pipe(v.number(), v.integer(), v.minValue(-1000), v.maxValue(1000)), 0),
    }),
    answer: ActedSchema,
    problems: ['refused'],
    run: async ({ sql, actor, body: { action, jobIds: ids, priority } }) =>
      actedAnswer(await actOnJobs(sql, actor, { kind: 'jobs', action, priority, target: { kind: 'ids', ids } })),
  }),
  operation({
    id: 'undoJobAction',
    method: 'POST',
    path: '/job-actions/{actionId}/undo',
    tag: 'Queues',
    scope: 'admin',
    summary: 'Take an action back for the jobs that have not gone on since; of a large one a part at a time',
    params: { actionId: id },
    answer: ActedSchema,
    problems: ['refused'],
    run: async ({ sql, actor, params: { actionId } }) => actedAnswer(await undoJobAction(sql, actor, actionId)),
  }),
];

async function queueNow(sql: Database, name: QueueName) {
  return (await queueOverview(sql)).queues.find((queue) => queue.name === name)!;
}

function actedAnswer(reply: QueueReply) {
  if (reply.kind === 'refused') return problem('refused', reply.message);
  const { auditId: actionId, ...counts } = reply;
  return { kind: 'ok', body: { actionId, ...counts } } as const;
}
