/** The runner pool's decisions, pure: who is wanted, who may leave, and why. */

/** A pool's limits. */
export interface PoolLimits {
  readonly minMachines: number;
  readonly maxMachines: number;
  /** Calls that one machine runs side by side. */
  readonly concurrency: number;
  readonly memoryMb: number;
  readonly isPaused: boolean;
  /** Of this month; null for no cap. */
  readonly spendCapUsd: number | null;
}

/** A machine that takes a slot: any that is not known to be gone. */
export interface SlotHolder {
  readonly id: number;
  readonly slot: number;
  readonly state: 'reserved' | 'booting' | 'ready' | 'draining';
  readonly memoryMb: number;
  readonly runningCount: number;
}

/** Everything that a decision depends on. */
export interface PoolState {
  readonly limits: PoolLimits;
  readonly holders: readonly SlotHolder[];
  /** Memory that each waiting call needs, in MB; 0 for the pool's own size. */
  readonly queuedMemoryMb: readonly number[];
  /** Whether someone is expected to need a machine soon. */
  readonly isWarm: boolean;
  /** Whether the last boots failed so recently that the next must wait. */
  readonly isBackingOff: boolean;
  readonly spentUsd: number;
}

/** What to do now. `explanation` says why in a sentence for people. */
export interface PoolPlan {
  readonly grow: readonly { readonly slot: number; readonly memoryMb: number }[];
  readonly drain: readonly { readonly runnerId: number; readonly reason: string }[];
  readonly explanation: string;
}

/** Machines that a pool keeps when nothing is to be done. */
export function machinesKept(limits: Pick<PoolLimits, 'minMachines' | 'maxMachines'>, isWarm: boolean): number {
  return Math.min(limits.maxMachines, Math.max(limits.minMachines, isWarm ? 1 : 0));
}

/**
 * Decides what to boot and what to drain.
 *
 * Each waiting call is given a free place, on a machine that runs or boots, that is large enough; each
 * call left over asks for a machine, as long as there are slots. A call too large for every place may
 * take the slot of an idle machine that is too small.
 */
export function planPool(state: PoolState): PoolPlan {
  const { limits, holders } = state;
  const places = holders
    .filter((holder) => holder.state !== 'draining')
    .flatMap((holder) => Array.from({ length: Math.max(0, limits.concurrency - holder.runningCount) }, () => holder))
    .toSorted((one, other) => one.memoryMb - other.memoryMb);
  const unserved: number[] = [];
  for (const neededMb of state.queuedMemoryMb.toSorted((one, other) => other - one)) {
    const index = places.findIndex((place) => place.memoryMb >= neededMb);
    if (index < 0) unserved.push(Math.max(neededMb, limits.memoryMb));
    else places.splice(index, 1);
  }
  const kept = holders.filter((holder) => holder.state !== 'draining').length;
  const missing = machinesKept(limits, state.isWarm) - kept;
  const wanted = machinesFor(unserved, limits.concurrency);
  while (wanted.length < missing) wanted.push(limits.memoryMb);

  const taken = new Set(holders.map((holder) => holder.slot));
  const freeSlots = Array.from({ length: limits.maxMachines }, (_, index) => index + 1).filter((slot) => !taken.has(slot));
  const blocked = growthBlock(state, wanted.length);
  const grow = blocked === null ? freeSlots.slice(0, wanted.length).map((slot, index) => ({ slot, memoryMb: wanted[index]! })) : [];

  const drain: { runnerId: number; reason: string }[] = [];
  for (const holder of holders.filter((each) => each.slot > limits.maxMachines && each.state !== 'draining')) {
    drain.push({ runnerId: holder.id, reason: `The maximum is now ${limits.maxMachines}.` });
  }
  if (blocked === null && grow.length < wanted.length) {
    const idleTooSmall = places.filter(
      (place) => place.state === 'ready' && place.runningCount === 0 && place.memoryMb < wanted[grow.length]!,
    );
    const [victim] = idleTooSmall.filter((place) => !drain.some((each) => each.runnerId === place.id));
    if (victim !== undefined && unserved.includes(wanted[grow.length]!)) {
      drain.push({ runnerId: victim.id, reason: `Its ${victim.memoryMb} MB are too few for a call that needs ${wanted[grow.length]} MB.` });
    }
  }
  return { grow, drain, explanation: explain(state, wanted.length, grow.length, blocked) };
}

/** Memory of the machines that serve these calls, the largest first. */
function machinesFor(callsMb: readonly number[], concurrency: number): number[] {
  return callsMb.filter((_, index) => index % concurrency === 0);
}

/** Why the pool may not grow though it wants to; null when it may. */
function growthBlock({ limits, isBackingOff, spentUsd }: PoolState, wantedCount: number): string | null {
  if (wantedCount === 0) return null;
  if (limits.isPaused) return 'The pool is paused.';
  if (limits.spendCapUsd !== null && spentUsd >= limits.spendCapUsd) {
    return `This month's spend of $${spentUsd.toFixed(2)} has reached the cap of $${limits.spendCapUsd.toFixed(2)}.`;
  }
  return isBackingOff ? 'The last machine could not be booted; the next try waits a little.' : null;
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;

function explain(
  { limits, holders, queuedMemoryMb, isWarm }: PoolState,
  wantedCount: number,
  grownCount: number,
  blocked: string | null,
): string {
  const queued = queuedMemoryMb.length;
  const waiting = `${queued} ${queued === 1 ? 'call waits' : 'calls wait'}`;
  if (blocked !== null) return `${waiting}, but no machine is added: ${blocked}`;
  if (grownCount > 0) {
    const machines = `${grownCount} ${grownCount === 1 ? 'machine is' : 'machines are'} added`;
    if (queued > 0) return `${waiting} for ${counted(holders.length, 'machine')}: ${machines}.`;
    return isWarm && limits.minMachines === 0
      ? `An upload is expected: ${machines}.`
      : `The minimum is ${limits.minMachines}: ${machines}.`;
  }
  if (wantedCount > 0) return `${waiting}: all ${limits.maxMachines} slots are taken.`;
  const busy = holders.filter((holder) => holder.runningCount > 0).length;
  if (holders.length === 0) return 'Nothing to do, and no machine.';
  return `${counted(holders.length, 'machine')}, ${busy} at work, ${counted(queued, 'call')} about to start.`;
}
