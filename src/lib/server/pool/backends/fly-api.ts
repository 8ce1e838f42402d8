import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

/** A machine as the Machines API gives it; what is not needed is left out. */
const MachineSchema = v.object({
  id: v.string(),
  name: v.string(),
  state: v.string(),
  region: v.optional(v.nullable(v.string()), null),
  created_at: v.optional(v.string()),
  events: v.optional(v.array(v.unknown()), []),
});
export type FlyMachine = v.InferOutput<typeof MachineSchema>;

const exit = v.object({
  exit_code: v.optional(v.number(), 0),
  guest_signal: v.optional(v.number(), 0),
  oom_killed: v.optional(v.boolean(), false),
  requested_stop: v.optional(v.boolean(), false),
});
/** An exit event; what it tells is at the top of its request, or below `MonitorEvent`. */
const ExitEventSchema = v.object({
  type: v.literal('exit'),
  request: v.union([v.object({ exit_event: exit }), v.object({ MonitorEvent: v.object({ exit_event: exit }) })]),
});

/** An answer that says no. `kind` is what follows from it. */
export class FlyError extends Error {
  override readonly name = 'FlyError';
  readonly kind: 'refused' | 'capacity' | 'name-taken' | 'absent';
  /** Of the machine that has the name, when the answer tells it. */
  readonly machineId: string | null;

  constructor(kind: FlyError['kind'], message: string, machineId: string | null = null) {
    super(message);
    this.kind = kind;
    this.machineId = machineId;
  }
}

/** Whether the request was carried out is not known: look before asking again. */
export class UnknownOutcome extends Error {
  override readonly name = 'UnknownOutcome';
}

/** How to reach the API. */
export interface FlyApiOptions {
  /** Such as `https://api.machines.dev`, without the version. */
  readonly origin: string;
  readonly app: string;
  readonly token: string;
  /** Gives how long to wait before a request, in milliseconds, so that all parents stay within the limits. */
  readonly reserve: (action: 'create' | 'list') => Promise<number>;
  readonly timeoutMs?: number;
}

const MAX_TRIES = 6;

/** The part of the Fly Machines API that a pool needs: https://fly.io/docs/machines/api/ */
export class FlyApi {
  readonly #options: Required<FlyApiOptions>;

  constructor(options: FlyApiOptions) {
    this.#options = { timeoutMs: 30_000, ...options };
  }

  /**
   * Creates a machine. Throws `FlyError` when it certainly was not created, and `UnknownOutcome` when it
   * may have been.
   */
  async create(body: unknown): Promise<FlyMachine> {
    await sleep(await this.#options.reserve('create'));
    return v.parse(MachineSchema, await this.#request('POST', '/machines', { body }));
  }

  /** A machine, also one that has been destroyed; null when there never was one of this id. */
  async get(machineId: string): Promise<FlyMachine | null> {
    return this.#unlessAbsent(async () => v.parse(MachineSchema, await this.#request('GET', `/machines/${machineId}`)));
  }

  /** Machines with these metadata that the API lists now; the list may lag behind. */
  async list(metadata: Readonly<Record<string, string>>): Promise<FlyMachine[]> {
    await sleep(await this.#options.reserve('list'));
    const query = new URLSearchParams(Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value]));
    return v.parse(v.array(MachineSchema), await this.#request('GET', `/machines?${query.toString()}`));
  }

  /** Ends a machine by force. Harmless when it is gone. */
  async destroy(machineId: string): Promise<void> {
    await this.#unlessAbsent(() => this.#request('DELETE', `/machines/${machineId}?force=true`));
  }

  async #unlessAbsent<T>(ask: () => Promise<T>): Promise<T | null> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof FlyError && error.kind === 'absent') return null;
      throw error;
    }
  }

  /** Asks again where that can do no harm: after a limit for everything, after any trouble for what is not a POST. */
  async #request(method: 'GET' | 'POST' | 'DELETE', path: string, { body }: { readonly body?: unknown } = {}): Promise<unknown> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#fetch(method, path, body);
      if (answer !== null && answer.ok) return answer.json;
      const isLimited = answer?.status === 429;
      const isUnclear = answer === null || answer.status >= 500 || answer.status === 408;
      if (answer !== null && !isLimited && !isUnclear) throw toFlyError(answer.status, answer.json);
      if (attempt >= MAX_TRIES || (isUnclear && method === 'POST')) {
        const reason = answer === null ? 'no answer' : `status ${answer.status}`;
        if (isLimited) throw new FlyError('refused', 'rate limit exceeded');
        throw new UnknownOutcome(`${method} ${path.split('?')[0]}: ${reason}.`);
      }
      const backOffMs = Math.min(8_000, 250 * 2 ** attempt) * (0.5 + Math.random() / 2);
      await sleep(Math.max(backOffMs, answer?.retryAfterMs ?? 0));
    }
  }

  /** One request; null for no answer. The token appears in no error. */
  async #fetch(method: string, path: string, body: unknown) {
    const { origin, app, token, timeoutMs } = this.#options;
    try {
      const response = await fetch(`${origin}/v1/apps/${encodeURIComponent(app)}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await response.text();
      const retryAfterMs = Number(response.headers.get('retry-after') ?? 0) * 1000;
      return {
        ok: response.ok,
        status: response.status,
        json: parseJson(text),
        retryAfterMs: Number.isFinite(retryAfterMs) ? retryAfterMs : 0,
      };
    } catch {
      return null;
    }
  }
}

/** How a machine ended, in words; null when it ended as it should, or nothing is known. */
export function exitFailure(machine: FlyMachine): string | null {
  for (const event of machine.events) {
    const parsed = v.safeParse(ExitEventSchema, event);
    if (!parsed.success) continue;
    const { request } = parsed.output;
    const { oom_killed, exit_code, guest_signal, requested_stop } =
      'exit_event' in request ? request.exit_event : request.MonitorEvent.exit_event;
    if (oom_killed) return 'out of memory';
    if (requested_stop || exit_code === 0) return null;
    return guest_signal > 0 ? `killed by signal ${guest_signal}` : `ended with code ${exit_code}`;
  }
  return null;
}

function toFlyError(status: number, json: unknown): FlyError {
  const parsed = v.safeParse(v.object({ error: v.optional(v.string(), ''), status: v.optional(v.string(), '') }), json);
  const { error: message, status: code } = parsed.success ? parsed.output : { error: '', status: '' };
  const text = `${code} ${message}`.trim() || `status ${status}`;
  if (status === 404) return new FlyError('absent', text);
  if (status === 409 && /already_exists|unique machine name/.test(text)) {
    return new FlyError('name-taken', text, /machine ID (\w+)/i.exec(text)?.[1] ?? null);
  }
  if (/insufficient|no capacity|volume_placement_capacity/.test(text)) return new FlyError('capacity', text);
  return new FlyError('refused', text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { error: text.slice(0, 200) };
  }
}
