import * as v from 'valibot';
import { ACTIONS, type Action } from './options.ts';

/** Narrows a fault: each field that is given must be the request's or the machine's. */
const scope = {
  /** How often it strikes; without it, until it is cleared. */
  count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  app: v.optional(v.string()),
  action: v.optional(v.picklist(ACTIONS)),
  region: v.optional(v.string()),
  machineId: v.optional(v.string()),
};
const delayMs = v.optional(v.number(), 0);

/** Every fault that can be asked for. */
export const FaultSchema = v.variant('kind', [
  /** 429 whatever the buckets hold. */
  v.object({ kind: v.literal('rate_limited'), ...scope }),
  /** 401 for the right token. */
  v.object({ kind: v.literal('auth_failure'), ...scope }),
  /** A 5xx before anything is done. */
  v.object({ kind: v.literal('server_error'), ...scope, status: v.optional(v.pipe(v.number(), v.minValue(500), v.maxValue(599)), 500) }),
  /** The request is answered later. */
  v.object({ kind: v.literal('slow_response'), ...scope, delayMs }),
  /** The work is done and its answer lost: no answer, a closed connection, or a proxy's 502. */
  v.object({ kind: v.literal('response_lost'), ...scope, mode: v.optional(v.picklist(['hang', 'drop', 'bad_gateway']), 'hang') }),
  /** No room: 422 for the region, or 409 of two wordings for the host. */
  v.object({
    kind: v.literal('no_capacity'),
    ...scope,
    refusal: v.optional(v.picklist(['insufficient_capacity', 'no_capacity', 'host_full']), 'insufficient_capacity'),
  }),
  /** A machine stays in `created` (or `starting`) until the fault is cleared. */
  v.object({ kind: v.literal('stuck_created'), ...scope }),
  /** The machine is killed: at once when named, else the next ones to start, `delayMs` after. */
  v.object({ kind: v.literal('crash'), ...scope, delayMs }),
  /** As `crash`, with exit code 137 and `oom_killed`. */
  v.object({ kind: v.literal('out_of_memory'), ...scope, delayMs }),
  /** As `crash`, but the processes stand still until the fault is cleared. */
  v.object({ kind: v.literal('partition'), ...scope, delayMs }),
  /** The stop signal never arrives, so that the kill after the timeout ends the machine. */
  v.object({ kind: v.literal('slow_stop'), ...scope }),
  /** The list stays what it was when the fault was added: new machines missing, dead ones shown. */
  v.object({ kind: v.literal('stale_list'), ...scope }),
  /** GET says `destroying` of a destroyed machine. */
  v.object({ kind: v.literal('lagging_get'), ...scope }),
]);
export type Fault = v.InferOutput<typeof FaultSchema>;
export type FaultInput = v.InferInput<typeof FaultSchema>;
export type FaultKind = Fault['kind'];
type Of<K extends FaultKind> = Extract<Fault, { kind: K }>;

/** What a fault's scope is held against. */
export interface FaultContext {
  readonly app?: string | undefined;
  readonly action?: Action | undefined;
  readonly region?: string | undefined;
  readonly machineId?: string | undefined;
}

/** A fault that was added, spent or not. */
export interface ActiveFault<F extends Fault = Fault> {
  readonly id: string;
  readonly fault: F;
  /** How often it may still strike; `null` is without end. */
  remaining: number | null;
}

/** The faults there are now. Spent ones stay listed until cleared, for what they did may still last. */
export class Faults {
  readonly #active = new Map<string, ActiveFault>();
  #nextId = 1;

  add(input: FaultInput): ActiveFault {
    const fault = v.parse(FaultSchema, input);
    const active = { id: `fault-${this.#nextId++}`, fault, remaining: fault.count ?? null };
    this.#active.set(active.id, active);
    return active;
  }

  list(): ActiveFault[] {
    return [...this.#active.values()];
  }

  /** Removes one fault, or all; gives those removed. */
  remove(id?: string): ActiveFault[] {
    const removed = this.list().filter((active) => id === undefined || active.id === id);
    for (const active of removed) this.#active.delete(active.id);
    return removed;
  }

  /** The oldest fault of the kind that applies, counted as having struck. */
  take<K extends FaultKind>(kind: K, context: FaultContext): ActiveFault<Of<K>> | undefined {
    const active = this.list().find(
      (candidate): candidate is ActiveFault<Of<K>> =>
        candidate.fault.kind === kind && candidate.remaining !== 0 && applies(candidate.fault, context),
    );
    if (active !== undefined && active.remaining !== null) active.remaining -= 1;
    return active;
  }

  /** Whether a fault of the kind would strike. */
  has(kind: FaultKind, context: FaultContext): boolean {
    return this.list().some((active) => active.fault.kind === kind && active.remaining !== 0 && applies(active.fault, context));
  }
}

function applies(fault: Fault, context: FaultContext): boolean {
  return (['app', 'action', 'region', 'machineId'] as const).every(
    (field) => fault[field] === undefined || fault[field] === context[field],
  );
}
