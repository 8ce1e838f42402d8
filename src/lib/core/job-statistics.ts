/** What jobs of one queue did in a minute or an hour. */
export interface JobPeriod {
  /** Its beginning, in ms since 1970. */
  readonly atMs: number;
  readonly added: number;
  readonly done: number;
  readonly failed: number;
  readonly retried: number;
  readonly cancelled: number;
  readonly wait: DurationBins;
  readonly run: DurationBins;
}

/** How many took how long, by step of a scale on which each step is a fifth longer than the one before. */
export type DurationBins = Readonly<Record<string, number>>;

/** Some jobs of a queue that went from one state to another; null for one that was not there, or is gone. */
export interface JobChange {
  readonly atMs: number;
  readonly queue: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly count: number;
  readonly waitBin: number | null;
  readonly runBin: number | null;
}

/** Steps of the scale for a doubling; `duration_bin` of the database counts with the same. */
const STEPS_PER_DOUBLING = 4;

/** The longest duration of a step, in ms. */
export function binCeilingMs(bin: number): number {
  return 2 ** ((bin + 1) / STEPS_PER_DOUBLING) - 1;
}

/** The duration that a share of the jobs did not exceed, in ms, as exactly as the scale has it; null when there are none. */
export function durationAt(bins: DurationBins, share: number): number | null {
  const steps = Object.entries(bins).map(([bin, count]) => ({ bin: Number(bin), count }));
  const total = steps.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return null;
  let seen = 0;
  for (const { bin, count } of steps.toSorted((one, other) => one.bin - other.bin)) {
    seen += count;
    if (seen >= share * total) return binCeilingMs(bin);
  }
  return null;
}

/** All periods as one. */
export function totalOf(periods: readonly JobPeriod[], atMs = periods[0]?.atMs ?? 0): JobPeriod {
  return periods.reduce(
    (sum, period) => ({
      atMs,
      added: sum.added + period.added,
      done: sum.done + period.done,
      failed: sum.failed + period.failed,
      retried: sum.retried + period.retried,
      cancelled: sum.cancelled + period.cancelled,
      wait: mergeBins(sum.wait, period.wait),
      run: mergeBins(sum.run, period.run),
    }),
    emptyPeriod(atMs),
  );
}

/** A row of periods without gaps, the last one holding `nowMs`; of those that had no jobs, empty ones. */
export function periodsUntil(known: readonly JobPeriod[], nowMs: number, stepMs: number, count: number): JobPeriod[] {
  const byStart = new Map(known.map((period) => [period.atMs, period]));
  const lastMs = Math.floor(nowMs / stepMs) * stepMs;
  return Array.from({ length: count }, (_, index) => {
    const atMs = lastMs - (count - 1 - index) * stepMs;
    return byStart.get(atMs) ?? emptyPeriod(atMs);
  });
}

/** What share of the jobs that ended has failed, from 0 to 1; null when none has ended. */
export function failureRate({ done, failed }: Pick<JobPeriod, 'done' | 'failed'>): number | null {
  return done + failed === 0 ? null : failed / (done + failed);
}

/** What changes make of the counts of each queue and state, and of its periods; both only where something changed. */
export function foldChanges(
  changes: readonly JobChange[],
  stepMs: number,
): {
  readonly counts: readonly { readonly queue: string; readonly state: string; readonly delta: number }[];
  readonly periods: readonly (JobPeriod & { readonly queue: string })[];
} {
  const counts = new Map<string, { queue: string; state: string; delta: number }>();
  const count = (queue: string, state: string | null, delta: number) => {
    if (state === null) return;
    const known = counts.get(`${queue} ${state}`) ?? { queue, state, delta: 0 };
    counts.set(`${queue} ${state}`, { ...known, delta: known.delta + delta });
  };
  const periods = new Map<string, JobPeriod & { queue: string }>();
  for (const change of changes) {
    count(change.queue, change.from, -change.count);
    count(change.queue, change.to, change.count);
    const atMs = Math.floor(change.atMs / stepMs) * stepMs;
    const part = periodOf(change, atMs);
    if (part === null) continue;
    const key = `${change.queue} ${atMs}`;
    const known = periods.get(key);
    periods.set(key, { ...(known === undefined ? part : totalOf([known, part], atMs)), queue: change.queue });
  }
  return { counts: [...counts.values()].filter(({ delta }) => delta !== 0), periods: [...periods.values()] };
}

/** What one change adds to a period; null for one that is not counted, such as the removal of an old job. */
function periodOf({ from, to, count, waitBin, runBin }: JobChange, atMs: number): JobPeriod | null {
  const period = {
    ...emptyPeriod(atMs),
    wait: waitBin === null ? {} : { [waitBin]: count },
    run: runBin === null ? {} : { [runBin]: count },
  };
  // A job that has failed, for now or for good, comes back under its id: see `note_jobs_inserted`.
  const hasRun = from === null || from === 'active';
  if (to === 'active') return period;
  if (to === 'created' && from === null) return { ...period, added: count };
  if (to === 'retry' && hasRun) return { ...period, retried: count };
  if (to === 'failed' && hasRun) return { ...period, failed: count };
  if (to === 'completed') return { ...period, done: count };
  if (to === 'cancelled') return { ...period, cancelled: count };
  return null;
}

function mergeBins(one: DurationBins, other: DurationBins): DurationBins {
  const merged: Record<string, number> = { ...one };
  for (const [bin, count] of Object.entries(other)) merged[bin] = (merged[bin] ?? 0) + count;
  return merged;
}

function emptyPeriod(atMs: number): JobPeriod {
  return { atMs, added: 0, done: 0, failed: 0, retried: 0, cancelled: 0, wait: {}, run: {} };
}
