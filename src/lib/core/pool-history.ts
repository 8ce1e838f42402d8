/** How many machines there were over time, pure. Times are milliseconds of one clock. */

/** A time during which something was there; `endMs` is null while it still is. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number | null;
}

/** From `atMs` on there were `count`, until the next step. */
export interface Step {
  readonly atMs: number;
  readonly count: number;
}

/** How many of the spans there were at each time of a window; the first step is at its begin. */
export function stepsOf(spans: readonly Span[], fromMs: number, toMs: number): Step[] {
  const changes = spans
    .filter(({ startMs, endMs }) => startMs < toMs && (endMs ?? toMs) > fromMs)
    .flatMap(({ startMs, endMs }) => [
      { atMs: Math.max(startMs, fromMs), by: 1 },
      ...(endMs === null || endMs >= toMs ? [] : [{ atMs: endMs, by: -1 }]),
    ])
    .toSorted((one, other) => one.atMs - other.atMs);
  const steps: Step[] = [{ atMs: fromMs, count: 0 }];
  for (const { atMs, by } of changes) {
    const last = steps.at(-1)!;
    const count = last.count + by;
    if (last.atMs === atMs) steps[steps.length - 1] = { atMs, count };
    else steps.push({ atMs, count });
  }
  return steps;
}

/** When the phases of a boot were over; null for what has not come (yet). */
export interface BootTimes {
  readonly reservedAtMs: number;
  /** Its provider was asked. */
  readonly requestedAtMs: number | null;
  /** Its provider had made it. */
  readonly madeAtMs: number | null;
  /** Its process began. */
  readonly startedAtMs: number | null;
  /** Its runner took work. */
  readonly readyAtMs: number | null;
}

/** A phase of a boot: how long it took, or takes until now. */
export interface BootPhase {
  readonly name: 'decided' | 'asked' | 'started' | 'ready';
  readonly ms: number;
  readonly isOver: boolean;
}

/** What to look at when a boot stays in a phase. */
export const STUCK_IN: Readonly<Record<BootPhase['name'], string>> = {
  decided: 'No parent sees to it: is a worker running?',
  asked: 'Its provider has not made it: see its status page, the API token, or another region.',
  started: 'It was made but its process has not begun: a large image, or a host in trouble.',
  ready: 'Its process has not registered: does it reach the database, and does the image start a runner?',
};

/**
 * The phases of a boot, the last one going on until `nowMs` when the machine is not ready. What a machine
 * does before its runner registers can't be seen from here: started and ready are one until then.
 */
export function bootPhases(times: BootTimes, nowMs: number): BootPhase[] {
  const ends: readonly (readonly [BootPhase['name'], number | null])[] = [
    ['decided', times.requestedAtMs],
    ['asked', times.madeAtMs],
    ['started', times.readyAtMs === null ? null : times.startedAtMs],
    ['ready', times.readyAtMs],
  ];
  const phases: BootPhase[] = [];
  let fromMs = times.reservedAtMs;
  for (const [name, endMs] of ends) {
    phases.push({ name, ms: Math.max(0, (endMs ?? nowMs) - fromMs), isOver: endMs !== null });
    if (endMs === null) break;
    // A process may begin before its provider has answered.
    fromMs = Math.max(fromMs, endMs);
  }
  return phases;
}
