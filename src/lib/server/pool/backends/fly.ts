import { setTimeout as sleep } from 'node:timers/promises';
import { BootRefused, type Machine, type MachineSpec, type MachineStatus, type RunnerBackend } from '#lib/server/pool/backends/backend.ts';
import { exitFailure, FlyError, UnknownOutcome, type FlyApi, type FlyMachine } from '#lib/server/pool/backends/fly-api.ts';

/** What all machines of a pool's app have in common. */
export interface FlyBackendOptions {
  readonly api: FlyApi;
  readonly deployment: string;
  /** The image when a pool names none: the parent's own. */
  readonly image: string;
  /** Where to boot when a pool names no region: the parent's own first. */
  readonly regions: readonly string[];
  /** Program and arguments of a runner in the image. */
  readonly command: readonly string[];
}

/** In these states a machine is gone for good. */
const TERMINAL = new Set(['destroyed', 'replaced', 'migrated']);
const MAX_TRIES = 4;
const LOOK_AGAIN_MS = 1_000;

/** Fly Machines, made from the same image and destroyed when they end. */
export class FlyBackend implements RunnerBackend {
  readonly name = 'fly';
  readonly #options: FlyBackendOptions;

  constructor(options: FlyBackendOptions) {
    this.#options = options;
  }

  async boot(spec: MachineSpec): Promise<Machine> {
    const regions = spec.regions.length > 0 ? spec.regions : this.#options.regions;
    // Where a create has been asked for before, its machine is looked for first.
    let machine = spec.mayExist ? await this.#findLive(spec.name) : null;
    let fullRegions = 0;
    for (let attempt = 1; machine === null; attempt += 1) {
      const region = regions[fullRegions];
      if (regions.length > 0 && region === undefined) throw new BootRefused(`there is no room in ${regions.join(', ')}`);
      try {
        machine = await this.#options.api.create(this.#body(spec, region));
      } catch (error) {
        if (error instanceof UnknownOutcome) {
          machine = await this.#lookFor(spec.name);
          if (machine === null && attempt >= MAX_TRIES) throw error;
        } else if (error instanceof FlyError && error.kind === 'name-taken') {
          machine = await this.#adopt(error, spec.name);
          if (machine === null && attempt >= MAX_TRIES) throw new UnknownOutcome(error.message);
        } else if (error instanceof FlyError && error.kind === 'capacity') {
          fullRegions += 1;
          if (regions.length === 0) throw new BootRefused(error.message);
        } else if (error instanceof FlyError) {
          throw new BootRefused(error.message);
        } else throw error;
      }
    }
    return toMachine(machine);
  }

  async inspect(machineId: string): Promise<MachineStatus> {
    const machine = await this.#options.api.get(machineId);
    if (machine === null) return { state: 'gone', failure: null };
    if (TERMINAL.has(machine.state)) return { state: 'gone', failure: exitFailure(machine) };
    // It has ended, but nobody has cleaned up after it.
    if (machine.state === 'stopped' || machine.state === 'failed') await this.destroy(machineId);
    return { state: 'alive' };
  }

  destroy(machineId: string): Promise<void> {
    return this.#options.api.destroy(machineId);
  }

  async list(): Promise<Machine[]> {
    const machines = await this.#options.api.list({ heaters_deployment: this.#options.deployment });
    return machines.filter((machine) => !TERMINAL.has(machine.state)).map(toMachine);
  }

  /** Machines are nobody's children: they go on without this parent. */
  stop(): Promise<string[]> {
    return Promise.resolve([]);
  }

  #body(spec: MachineSpec, region: string | undefined) {
    const { deployment, image, command } = this.#options;
    const { cpuKind, cpus, memoryMb } = spec.guest;
    return {
      name: spec.name,
      ...(region === undefined ? {} : { region }),
      // App secrets, the API token among them, stay out: the environment below is all there is.
      skip_secrets: true,
      skip_service_registration: true,
      config: {
        image: spec.image ?? image,
        env: spec.env,
        guest: { cpu_kind: cpuKind, cpus, memory_mb: memoryMb },
        init: { exec: command },
        auto_destroy: true,
        restart: { policy: 'no' },
        metadata: { heaters_deployment: deployment, heaters_pool: spec.pool, heaters_name: spec.name },
        stop_config: { signal: 'SIGTERM', timeout: '30s' },
        dns: { skip_registration: true },
      },
    };
  }

  /** Looks for a machine that may just have been made; the list may lag behind. */
  async #lookFor(name: string): Promise<FlyMachine | null> {
    for (let look = 0; look < 3; look += 1) {
      const found = await this.#findLive(name);
      if (found !== null) return found;
      await sleep(LOOK_AGAIN_MS);
    }
    return null;
  }

  async #findLive(name: string): Promise<FlyMachine | null> {
    const machines = await this.#options.api.list({ heaters_name: name });
    return machines.find((machine) => machine.name === name && isLive(machine)) ?? null;
  }

  /** The machine that has our name, when it is ours and lives; null to ask again. */
  async #adopt(error: FlyError, name: string): Promise<FlyMachine | null> {
    const holder = error.machineId === null ? await this.#lookFor(name) : await this.#options.api.get(error.machineId);
    if (holder !== null && holder.name !== name) throw new BootRefused(`the name ${name} is held by another machine`);
    if (holder !== null && isLive(holder)) return holder;
    await sleep(LOOK_AGAIN_MS);
    return null;
  }
}

/** Whether a machine may still run, now or later. */
function isLive(machine: FlyMachine): boolean {
  return !TERMINAL.has(machine.state) && machine.state !== 'destroying';
}

function toMachine(machine: FlyMachine): Machine {
  const createdAtMs = Date.parse(machine.created_at ?? '');
  return { id: machine.id, name: machine.name, region: machine.region, createdAtMs: Number.isNaN(createdAtMs) ? 0 : createdAtMs };
}
