import * as v from 'valibot';
import { JOB_ACTIONS, JOB_STATES, type JobState } from '#lib/core/job-rules.ts';
import type { JobPeriod } from '#lib/core/job-statistics.ts';
import { QUEUES, STAGES, type QueueName, type StageName } from '#lib/jobs/stages.ts';

/** How many jobs of a queue are in each state. */
export type JobCounts = Readonly<Record<JobState, number>>;

/** A queue as the monitor shows it. */
export interface QueueView {
  readonly name: QueueName;
  readonly counts: JobCounts;
  readonly isPaused: boolean;
  /** Jobs that each process runs side by side, where somebody has set it; null for what the code says. */
  readonly concurrency: number | null;
  /** Jobs that all processes together run side by side. */
  readonly placeCount: number;
  /** Since when its oldest job waits that could run, in ms since 1970. */
  readonly oldestWaitingMs: number | null;
  readonly processCount: number;
  /** The last hour by minute, then the last two days by hour, both up to now. */
  readonly minutes: readonly JobPeriod[];
  readonly hours: readonly JobPeriod[];
}

/** A process that works on queues. */
export interface WorkerView {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly role: string;
  readonly version: string;
  /** How many jobs of each queue it runs side by side; none of a queue that is paused. */
  readonly queues: Readonly<Partial<Record<QueueName, number>>>;
  readonly startedAt: string;
  readonly heartbeatAt: string;
  /** Whether it has not been heard of for too long. */
  readonly isLost: boolean;
  readonly running: readonly {
    readonly jobId: string;
    readonly label: string;
    readonly startedAt: string;
    readonly machine: string | null;
  }[];
}

/** A schedule as the monitor shows it. */
export interface ScheduleView {
  readonly key: string;
  readonly queue: QueueName;
  readonly cron: string;
  readonly lastRunAt: string | null;
  readonly lastJobId: string | null;
  readonly lastState: JobState | null;
  readonly nextRunAt: string;
}

/** The monitor's page above the list, at one moment. */
export interface QueueOverview {
  readonly nowMs: number;
  readonly queues: readonly QueueView[];
  readonly workers: readonly WorkerView[];
  readonly schedules: readonly ScheduleView[];
  /** What is wrong, each in a sentence. */
  readonly problems: readonly string[];
}

/** A job as the list shows it. */
export interface JobView {
  readonly id: string;
  readonly queue: QueueName;
  readonly state: JobState;
  /** Null for a scheduled job. */
  readonly stage: StageName | null;
  readonly label: string;
  readonly item: { readonly kind: 'video' | 'clip'; readonly id: number; readonly videoId: number; readonly title: string | null } | null;
  readonly priority: number;
  readonly createdAt: string;
  readonly startAfter: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly attemptCount: number;
  readonly error: string | null;
  readonly percent: number | null;
  /** Where its last attempt ran or runs. */
  readonly host: string | null;
}

/** Jobs that match a filter, newest first, and the cursor of the next page. */
export interface JobPage {
  readonly jobs: readonly JobView[];
  readonly next: string | null;
  /** How many match; `isCountExact` is false when there are more than that. */
  readonly count: number;
  readonly isCountExact: boolean;
}

/** One attempt of a job. */
export interface AttemptView {
  readonly id: number;
  readonly number: number;
  readonly workerId: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly outcome: 'done' | 'failed' | 'cancelled' | 'released' | 'lost' | null;
  readonly error: string | null;
}

/** A call of the runner pool that a job made. */
export interface JobCallView {
  readonly id: number;
  readonly task: string;
  readonly name: string | null;
  readonly state: string;
  readonly attempt: number;
  readonly percent: number | null;
  readonly machine: string | null;
  readonly region: string | null;
  readonly error: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** A line that a job has logged; levels are pino's: 30 for info, 40 for a warning, 50 for an error. */
export interface JobLogLine {
  readonly id: number;
  readonly attemptId: number;
  readonly at: string;
  readonly level: number;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A job's page. */
export interface JobDetail {
  readonly job: JobView;
  readonly input: unknown;
  readonly output: unknown;
  readonly attempts: readonly AttemptView[];
  readonly calls: readonly JobCallView[];
  readonly log: readonly JobLogLine[];
  /** Why it waits; null when it does not. */
  readonly waitsFor: string | null;
  /** The stages that begin when it is done, and the jobs that they have. */
  readonly next: readonly { readonly stage: StageName; readonly label: string; readonly job: JobView | null }[];
  /** The stage before it. */
  readonly previous: { readonly stage: StageName; readonly label: string; readonly job: JobView | null } | null;
  /** Other jobs of the same video, newest first. */
  readonly others: readonly JobView[];
}

/** What has become of the jobs, told to the pages of admins at most once a second. */
export interface JobsChange {
  readonly counts: readonly { readonly queue: QueueName; readonly counts: JobCounts }[];
  /** Some of the jobs that changed. */
  readonly jobIds: readonly string[];
  /** Whether more than these have changed, or something else than jobs. */
  readonly isMore: boolean;
}

const optional = <Schema extends v.GenericSchema>(schema: Schema) => v.optional(v.nullable(schema), null);
const number = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.nonEmpty(), v.transform(Number))]),
  v.integer(),
  v.minValue(1),
  v.maxValue(2 ** 31 - 1),
);
const moment = v.pipe(v.string(), v.isoTimestamp());

/** Which jobs a list shows. */
export const JobFilterSchema = v.object({
  state: optional(v.picklist(JOB_STATES)),
  queue: optional(v.picklist(QUEUES)),
  stage: optional(v.picklist(Object.keys(STAGES) as StageName[])),
  videoId: optional(number),
  clipId: optional(number),
  /** Created from then on, and before. */
  from: optional(moment),
  to: optional(moment),
  text: optional(v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(200))),
});
/** Which jobs a list shows. */
export type JobFilter = v.InferOutput<typeof JobFilterSchema>;

/** What the fields of the filter are called in the address of the page. */
const FILTER_FIELDS = Object.keys(JobFilterSchema.entries) as (keyof JobFilter)[];

/** Reads a filter from the address; what makes no sense is left out. */
export function parseJobFilter(params: URLSearchParams): JobFilter {
  const read = FILTER_FIELDS.map((field) => {
    const parsed = v.safeParse(JobFilterSchema.entries[field], params.get(field));
    return [field, parsed.success ? parsed.output : null];
  });
  return Object.fromEntries(read) as JobFilter;
}

/** A filter as it stands in the address. */
export function jobFilterQuery(filter: Partial<JobFilter>): string {
  const params = new URLSearchParams();
  for (const field of FILTER_FIELDS) {
    const value = filter[field];
    if (value !== null && value !== undefined) params.set(field, String(value));
  }
  return params.toString();
}

const JobId = v.pipe(v.string(), v.uuid());
const Action = v.picklist(JOB_ACTIONS);

/** An action on jobs: on those named, or on a part of those that match a filter, `cursor` naming where the part begins. */
export const ActOnJobsSchema = v.object({
  kind: v.literal('jobs'),
  action: Action,
  priority: v.optional(v.pipe(v.number(), v.integer(), v.minValue(-1000), v.maxValue(1000)), 0),
  target: v.variant('kind', [
    v.object({ kind: v.literal('ids'), ids: v.pipe(v.array(JobId), v.minLength(1), v.maxLength(500)) }),
    v.object({
      kind: v.literal('filter'),
      filter: JobFilterSchema,
      /** Where to go on; null for the beginning. */
      cursor: v.nullable(v.string()),
      /** Of the parts that went before. */
      auditId: v.nullable(v.pipe(v.number(), v.integer())),
    }),
  ]),
});
/** An action on jobs. */
export type ActOnJobs = v.InferOutput<typeof ActOnJobsSchema>;

/** All that the monitor can ask for. */
export const QueueCommandSchema = v.variant('kind', [
  ActOnJobsSchema,
  v.object({ kind: v.literal('undo'), auditId: v.pipe(v.number(), v.integer()) }),
  v.object({ kind: v.literal('pause'), queue: v.picklist(QUEUES), isPaused: v.boolean() }),
  /** Null for what the code says. */
  v.object({
    kind: v.literal('concurrency'),
    queue: v.picklist(QUEUES),
    concurrency: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64))),
  }),
  v.object({ kind: v.literal('run-schedule'), key: v.picklist(['dispatch', 'sweep']) }),
]);
/** Something that the monitor asks for. */
export type QueueCommand = v.InferOutput<typeof QueueCommandSchema>;

/** What came of it. `doneCount` and `skippedCount` are of this part; `cursor` is where the next begins. */
export type QueueReply =
  | {
      readonly kind: 'ok';
      readonly auditId: number | null;
      readonly doneCount: number;
      readonly skippedCount: number;
      /** Why some were skipped. */
      readonly skipped: string | null;
      readonly cursor: string | null;
    }
  | { readonly kind: 'refused'; readonly message: string };
