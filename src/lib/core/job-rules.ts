/** States of a job, as pg-boss has them. */
export const JOB_STATES = ['created', 'retry', 'active', 'completed', 'failed', 'cancelled'] as const;
/** One of the states of a job. */
export type JobState = (typeof JOB_STATES)[number];

/** What people call the states. */
export const STATE_LABELS: Readonly<Record<JobState, string>> = {
  created: 'waiting',
  retry: 'retrying',
  active: 'running',
  completed: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
};

/** What can be done to a job. */
export const JOB_ACTIONS = ['retry', 'cancel', 'run-now', 'priority', 'delete'] as const;
/** One of the actions on a job. */
export type JobAction = (typeof JOB_ACTIONS)[number];

const ALLOWED: Readonly<Record<JobState, readonly JobAction[]>> = {
  created: ['run-now', 'priority', 'cancel'],
  retry: ['run-now', 'priority', 'cancel'],
  active: ['cancel'],
  completed: ['delete'],
  failed: ['retry', 'delete'],
  cancelled: ['retry', 'delete'],
};

/** What a job's state lets people do, the most likely first. */
export function actionsFor(state: JobState): readonly JobAction[] {
  return ALLOWED[state];
}

/** The states in which a job can be acted on so. */
export function statesFor(action: JobAction): JobState[] {
  return JOB_STATES.filter((state) => ALLOWED[state].includes(action));
}

/** Whether an action can be taken back. */
export function isUndoable(action: JobAction): boolean {
  return action !== 'delete';
}

/** What keeps a waiting job from running, as its page tells; the first that holds. */
export function whyWaiting(job: {
  readonly queue: string;
  readonly isPaused: boolean;
  readonly processCount: number;
  readonly placeCount: number;
  readonly runningCount: number;
  readonly startsInMs: number;
  readonly aheadCount: number;
}): string {
  if (job.isPaused) return `Its queue ${job.queue} is paused.`;
  if (job.processCount === 0) return `No process works on its queue ${job.queue}.`;
  if (job.startsInMs > 0) return 'Its next attempt is not due yet.';
  const ahead = job.aheadCount === 1 ? 'One job is' : `${job.aheadCount} jobs are`;
  if (job.aheadCount > 0) return `${ahead} before it in ${job.queue}.`;
  if (job.runningCount >= job.placeCount) return `All ${job.placeCount} places of ${job.queue} are taken; it is the next.`;
  return 'It is the next, and starts in a moment.';
}

/** How a queue stands, as far as something can be wrong with it. */
export interface QueueStanding {
  readonly name: string;
  readonly isPaused: boolean;
  readonly waitingCount: number;
  readonly processCount: number;
}

/** How a schedule stands. */
export interface ScheduleStanding {
  readonly key: string;
  readonly queue: string;
  readonly everyMs: number;
  /** When it last began; null for never. */
  readonly lastRunMs: number | null;
  readonly isLastFailed: boolean;
}

/** What is wrong, each in a sentence that says what to do. `sinceMs`: since when somebody could have run schedules. */
export function queueProblems(
  queues: readonly QueueStanding[],
  schedules: readonly ScheduleStanding[],
  nowMs: number,
  sinceMs: number,
): string[] {
  const problems: string[] = [];
  for (const { name, isPaused, waitingCount, processCount } of queues) {
    if (processCount === 0 && name === 'default') {
      problems.push('Nobody runs `default`: no schedule is running. Start a process whose JOB_QUEUES names it.');
    } else if (processCount === 0 && waitingCount > 0) {
      problems.push(`Queue \`${name}\` has waiting jobs but no process works on it. Start one whose JOB_QUEUES names it.`);
    }
    if (isPaused && name === 'default') problems.push('Queue `default` is paused: no schedule is running. Resume it.');
  }
  const isDefaultServed = queues.some(({ name, isPaused, processCount }) => name === 'default' && processCount > 0 && !isPaused);
  for (const { key, everyMs, lastRunMs, isLastFailed } of schedules) {
    if (isLastFailed) problems.push(`The last run of \`${key}\` has failed: see its job.`);
    // Two runs may be missed by a restart; a third is a fault.
    const isLate = nowMs - Math.max(lastRunMs ?? 0, sinceMs) > 3 * everyMs;
    if (isDefaultServed && isLate) problems.push(`\`${key}\` should have run long ago: see the log of the process that runs \`default\`.`);
  }
  return problems;
}
