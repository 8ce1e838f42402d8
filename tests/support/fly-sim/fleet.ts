import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { ApiError } from './api-error.ts';
import type { Clock } from './clock.ts';
import type { Faults } from './faults.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Lease, Machine, MachineState } from './machine.ts';
import type { SimulatorSettings } from './options.ts';
import { processMark } from './processes.ts';
import { SeededRandom } from './random.ts';
import { validateGuest, type CreateRequest } from './schemas.ts';

/** What a test may assert about the machines. */
export interface Counts {
  /** Machines with a real process now, and the most there ever were at one time. */
  readonly alive: number;
  readonly maxAlive: number;
  /** Machines not destroyed (booting ones too), and the most there ever were at one time. */
  readonly existing: number;
  readonly maxExisting: number;
  /** Seconds from `started` to the end of the process (less those suspended), by machine. */
  readonly startedSeconds: Record<string, number>;
}

/** Every machine of every app, in the order of their creation. */
export class Fleet {
  readonly machines = new Map<string, Machine>();
  readonly lifecycle: Lifecycle;
  readonly #settings: SimulatorSettings;
  readonly #clock: Clock;
  readonly #faults: Faults;
  readonly #random: SeededRandom;
  readonly #listeners = new Set<() => void>();
  #maxAlive = 0;
  #maxExisting = 0;

  constructor(settings: SimulatorSettings, clock: Clock, faults: Faults) {
    const saved: Machine[] =
      settings.stateFile !== undefined && existsSync(settings.stateFile) ? JSON.parse(readFileSync(settings.stateFile, 'utf8')) : [];
    this.#settings = settings;
    this.#clock = clock;
    this.#faults = faults;
    this.#random = new SeededRandom(`${settings.seed}/${saved.length}`);
    this.lifecycle = new Lifecycle({ settings, clock, random: this.#random, faults, onChange: () => this.#changed() });
    for (const machine of saved) this.machines.set(machine.id, machine);
    for (const machine of saved) this.lifecycle.adopt(machine);
    this.#changed();
  }

  create(app: string, request: CreateRequest): Machine {
    const { config } = request;
    validateGuest(config);
    const hasCommand = [config.init.exec, config.init.entrypoint, config.init.cmd].some((words) => words !== undefined && words.length > 0);
    if (this.#settings.images[config.image] === undefined && !hasCommand)
      throw new ApiError(400, `failed to get manifest ${config.image}: not found`);
    const name = request.name ?? `machine-${this.#random.hex(8)}`;
    const holder = this.of(app).find((machine) => machine.name === name && machine.state !== 'destroyed');
    if (holder !== undefined) {
      const text = `already_exists: unique machine name violation, machine ID ${holder.id} already exists with name "${name}"`;
      throw new ApiError(409, text);
    }
    const region = this.#placeIn(app, request.region);
    let id = this.#random.hex(14);
    while (this.machines.has(id)) id = this.#random.hex(14);
    const nowMs = this.#clock.nowMs();
    const machine: Machine = {
      ...{ app, id, name, region, config, state: 'created', createdAtMs: nowMs, updatedAtMs: nowMs },
      ...{ instanceId: this.#random.hex(26).toUpperCase(), privateIp: '127.0.0.1' },
      secrets: request.skip_secrets ? {} : (this.#settings.apps[app]?.secrets ?? {}),
      events: [{ id: this.#random.hex(26), type: 'launch', status: 'created', source: 'user', timestamp: nowMs }],
      ...{ lease: null, pid: null, processMark: null, startedAtMs: null, startedBeforeMs: 0, retries: 0, killAtMs: null },
      ...{ isStopRequested: false, isOutOfMemory: false, stuckBy: null, partitionedBy: null },
    };
    this.machines.set(id, machine);
    if (request.lease_ttl !== undefined) this.lease(machine, request.lease_ttl, '', undefined);
    if (request.skip_launch) machine.state = 'stopped';
    else this.lifecycle.boot(machine);
    this.#changed();
    return machine;
  }

  of(app: string): Machine[] {
    return [...this.machines.values()].filter((machine) => machine.app === app);
  }

  /** True once the machine is in one of the states; false after `timeoutMs`. */
  waitFor(machine: Machine, states: readonly MachineState[], timeoutMs: number): Promise<boolean> {
    if (states.includes(machine.state)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (isReached: boolean) => {
        cancel();
        this.#listeners.delete(look);
        resolve(isReached);
      };
      const look = () => states.includes(machine.state) && settle(true);
      const cancel = this.#clock.after(timeoutMs, () => settle(false));
      this.#listeners.add(look);
    });
  }

  /** Takes or prolongs the lease. */
  lease(machine: Machine, ttlSeconds: number, description: string, nonce: string | undefined): Lease {
    this.guard(machine, nonce);
    const expiresAtMs = this.#clock.nowMs() + ttlSeconds * 1000;
    machine.lease = { nonce: this.leaseOf(machine)?.nonce ?? this.#random.hex(12), owner: 'sim@localhost', description, expiresAtMs };
    return machine.lease;
  }

  leaseOf(machine: Machine): Lease | null {
    return machine.lease !== null && machine.lease.expiresAtMs > this.#clock.nowMs() ? machine.lease : null;
  }

  /** Refuses a change by anyone but the lease's holder. */
  guard(machine: Machine, nonce: string | undefined): void {
    const lease = this.leaseOf(machine);
    if (lease === null || lease.nonce === nonce) return;
    const until = new Date(lease.expiresAtMs).toISOString();
    throw new ApiError(409, `machine ID ${machine.id} lease currently held by ${lease.owner}, expires at ${until}`);
  }

  /** How many more machines find room in each region. */
  capacities(): Record<string, number> {
    const taken = [...this.machines.values()].filter((machine) => machine.state !== 'destroyed');
    return Object.fromEntries(
      Object.entries(this.#settings.regions).map(([code, { capacity }]) => [
        code,
        this.#faults.has('no_capacity', { region: code, action: 'create' })
          ? 0
          : Math.max(0, capacity - taken.filter(({ region }) => region === code).length),
      ]),
    );
  }

  counts(): Counts {
    const all = [...this.machines.values()];
    const nowMs = this.#clock.nowMs();
    const seconds = (machine: Machine) =>
      (machine.startedBeforeMs + (machine.startedAtMs === null ? 0 : nowMs - machine.startedAtMs)) / 1000;
    return {
      alive: all.filter(({ pid, processMark: mark }) => pid !== null && processMark(pid) === mark).length,
      maxAlive: this.#maxAlive,
      existing: all.filter(({ state }) => state !== 'destroyed').length,
      maxExisting: this.#maxExisting,
      startedSeconds: Object.fromEntries(all.map((machine) => [machine.id, seconds(machine)])),
    };
  }

  #placeIn(app: string, wish: string | undefined): string {
    const { regions } = this.#settings;
    const codes = Object.keys(regions);
    const wishes = (wish ?? codes[0]!).split(',');
    const candidates = wishes.flatMap((name) =>
      codes.filter((code) => code === name || name === 'any' || regions[code]!.areas.includes(name)),
    );
    if (candidates.length === 0) throw new ApiError(400, `invalid region: ${wish}`);
    let refusal = 'insufficient_capacity';
    for (const region of candidates) {
      const isFull = !this.#faults.has('no_capacity', { app, region, action: 'create' }) && this.capacities()[region] === 0;
      const active = this.#faults.take('no_capacity', { app, region, action: 'create' });
      if (active === undefined && !isFull) return region;
      refusal = active?.fault.refusal ?? 'insufficient_capacity';
    }
    throw capacityError(refusal, candidates);
  }

  #changed(): void {
    const all = [...this.machines.values()];
    this.#maxAlive = Math.max(this.#maxAlive, all.filter(({ pid }) => pid !== null).length);
    this.#maxExisting = Math.max(this.#maxExisting, all.filter(({ state }) => state !== 'destroyed').length);
    this.save();
    for (const listener of [...this.#listeners]) listener();
  }

  /** Writes the state file, whole or not at all. */
  save(): void {
    const { stateFile } = this.#settings;
    if (stateFile === undefined) return;
    writeFileSync(`${stateFile}.new`, JSON.stringify([...this.machines.values()]), { mode: 0o600 });
    renameSync(`${stateFile}.new`, stateFile);
  }
}

/** The refusal for want of room. */
export function capacityError(refusal: string, regions: readonly string[]): ApiError {
  if (refusal === 'host_full') return new ApiError(409, 'insufficient CPUs available to fulfill request');
  if (refusal === 'no_capacity') return new ApiError(409, 'no capacity available');
  return new ApiError(422, `insufficient capacity in ${regions.join(', ')}: try another region`, 'insufficient_capacity');
}
