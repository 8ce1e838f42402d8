import os from 'node:os';
import path from 'node:path';
import { ApiError } from './api-error.ts';
import type { Clock } from './clock.ts';
import type { ActiveFault, Faults } from './faults.ts';
import type { Machine, MachineEvent, MachineState } from './machine.ts';
import type { SimulatorSettings } from './options.ts';
import { launch, processMark, sendSignal, watch, type Outcome } from './processes.ts';
import type { SeededRandom } from './random.ts';

const STOP_TIMEOUT_MS = 5_000;

/** What moves a machine from state to state, and the processes behind it. */
export class Lifecycle {
  readonly #settings: SimulatorSettings;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #faults: Faults;
  readonly #onChange: (machine: Machine) => void;
  readonly #cancels = new Map<string, () => void>();
  readonly #watches = new Set<() => void>();
  #isDetached = false;

  constructor(deps: { settings: SimulatorSettings; clock: Clock; random: SeededRandom; faults: Faults; onChange: (m: Machine) => void }) {
    this.#settings = deps.settings;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#faults = deps.faults;
    this.#onChange = deps.onChange;
  }

  /** `created` or `starting` to `started`, after the boot delay. */
  boot(machine: Machine): void {
    const stuck = this.#faults.take('stuck_created', scopeOf(machine));
    if (stuck !== undefined) machine.stuckBy = stuck.id;
    else this.#schedule(machine, this.#random.integer(...this.#settings.bootDelayMs), () => this.#run(machine));
  }

  start(machine: Machine): void {
    if (machine.state === 'started' || machine.state === 'starting') return;
    if (machine.state === 'suspended') {
      sendSignal(machine.pid, 'SIGCONT', 'group');
      this.#enter(machine, 'started', { type: 'start', source: 'flyd' });
      return;
    }
    if (machine.state !== 'stopped') throw refused('start', machine);
    Object.assign(machine, { retries: 0, isStopRequested: false, isOutOfMemory: false });
    this.#enter(machine, 'starting');
    this.boot(machine);
  }

  /** Asks the main process to end, and kills it when it does not within the timeout. */
  stop(machine: Machine, request: { signal?: NodeJS.Signals | undefined; timeout?: number | undefined }): void {
    if (machine.state === 'stopped' || machine.state === 'stopping') return;
    if (machine.state !== 'started' && machine.state !== 'suspended') throw refused('stop', machine);
    const { stop_config: config } = machine.config;
    const timeoutMs = request.timeout ?? config.timeout ?? STOP_TIMEOUT_MS;
    machine.isStopRequested = true;
    machine.killAtMs = this.#clock.nowMs() + timeoutMs;
    this.#enter(machine, 'stopping');
    this.#schedule(machine, timeoutMs, () => sendSignal(machine.pid, 'SIGKILL', 'group'));
    if (this.#faults.take('slow_stop', scopeOf(machine)) === undefined) {
      sendSignal(machine.pid, request.signal ?? config.signal ?? 'SIGINT', 'main');
    }
  }

  signal(machine: Machine, signal: NodeJS.Signals): void {
    if (machine.pid === null) throw refused('signal', machine);
    sendSignal(machine.pid, signal, 'main');
  }

  suspend(machine: Machine): void {
    if (machine.state !== 'started') throw refused('suspend', machine);
    sendSignal(machine.pid, 'SIGSTOP', 'group');
    this.#enter(machine, 'suspended');
  }

  destroy(machine: Machine, isForced: boolean): void {
    if (machine.state === 'destroyed' || machine.state === 'destroying') return;
    if (machine.state !== 'stopped' && !isForced) throw refused('destroy', machine, 'not currently stopped and not forced');
    this.#cancel(machine);
    machine.isStopRequested = true;
    this.#enter(machine, 'destroying');
    if (machine.pid === null) this.#enter(machine, 'destroyed', { type: 'destroy', source: 'user' });
    else sendSignal(machine.pid, 'SIGKILL', 'group');
  }

  /** Lets a fault strike a running machine. */
  strike(machine: Machine, { id, fault }: ActiveFault): void {
    if (machine.pid === null) return;
    if (fault.kind === 'out_of_memory') machine.isOutOfMemory = true;
    if (fault.kind === 'partition') machine.partitionedBy = id;
    sendSignal(machine.pid, fault.kind === 'partition' ? 'SIGSTOP' : 'SIGKILL', 'group');
  }

  /** Lets go what a cleared fault held. */
  release(machine: Machine, faultId: string): void {
    if (machine.partitionedBy === faultId) {
      machine.partitionedBy = null;
      if (machine.pid !== null) sendSignal(machine.pid, 'SIGCONT', 'group');
    }
    if (machine.stuckBy === faultId) {
      machine.stuckBy = null;
      if (machine.state === 'created' || machine.state === 'starting') this.boot(machine);
    }
  }

  /** Takes over a machine of an earlier simulator. */
  adopt(machine: Machine): void {
    machine.stuckBy = null;
    machine.partitionedBy = null;
    if (machine.state === 'created' || machine.state === 'starting') return this.boot(machine);
    if (machine.pid === null) return;
    const { pid, processMark: mark } = machine;
    if (processMark(pid) !== mark) return this.#exited(machine, { code: null, signal: null });
    this.#watches.add(watch(pid, mark!, (outcome) => this.#exited(machine, outcome)));
    if (machine.state === 'destroying') sendSignal(pid, 'SIGKILL', 'group');
    if (machine.state === 'stopping') {
      const leftMs = Math.max(0, (machine.killAtMs ?? 0) - this.#clock.nowMs());
      this.#schedule(machine, leftMs, () => sendSignal(pid, 'SIGKILL', 'group'));
    }
  }

  /** Ends every timer and hears of no more exits; the processes go on. */
  detach(): void {
    this.#isDetached = true;
    for (const cancel of [...this.#cancels.values(), ...this.#watches]) cancel();
  }

  #run(machine: Machine): void {
    const { images, logFolder } = this.#settings;
    const image = images[machine.config.image];
    const { exec, entrypoint = [], cmd = [] } = machine.config.init;
    const command = [exec ?? [...entrypoint, ...cmd], image?.command ?? []].find((words) => words.length > 0) ?? ['false'];
    const logFile = logFolder === undefined ? null : path.join(logFolder, `${machine.id}.log`);
    machine.pid = launch({ command, cwd: image?.cwd ?? os.tmpdir(), env: environment(machine), logFile }, (outcome) =>
      this.#exited(machine, outcome),
    );
    machine.processMark = machine.pid === null ? null : processMark(machine.pid);
    this.#enter(machine, 'started', { type: 'start', source: 'flyd' });
    for (const kind of ['crash', 'out_of_memory', 'partition'] as const) {
      const active = this.#faults.take(kind, scopeOf(machine));
      if (active !== undefined) this.#clock.after(active.fault.delayMs, () => this.strike(machine, active));
    }
  }

  #exited(machine: Machine, { code, signal }: Outcome): void {
    if (this.#isDetached) return;
    this.#cancel(machine);
    const isDestroying = machine.state === 'destroying';
    const { policy, max_retries: maxRetries } = machine.config.restart;
    // Nobody saw how an adopted process ended: -1 unless it was killed on request.
    const exitCode = signal === null ? (code ?? (machine.isOutOfMemory ? 137 : -1)) : 128 + os.constants.signals[signal];
    Object.assign(machine, { pid: null, processMark: null, killAtMs: null, partitionedBy: null });
    const exit_event = {
      exit_code: exitCode,
      guest_exit_code: signal === null ? exitCode : 0,
      guest_signal: signal === null ? -1 : os.constants.signals[signal],
      oom_killed: machine.isOutOfMemory,
      requested_stop: machine.isStopRequested,
      exited_at: new Date(this.#clock.nowMs()).toISOString(),
    };
    const event = { type: 'exit', status: 'stopped', source: 'flyd', request: { exit_event } };
    machine.isOutOfMemory = false;
    const isRetried = policy === 'always' || (policy === 'on-failure' && exitCode !== 0 && machine.retries < maxRetries);
    if (isDestroying) {
      this.#enter(machine, 'destroying', event);
      this.#enter(machine, 'destroyed', { type: 'destroy', source: 'flyd' });
    } else if (isRetried && !machine.isStopRequested) {
      machine.retries += 1;
      this.#enter(machine, 'starting', event);
      this.boot(machine);
    } else {
      this.#enter(machine, 'stopped', event);
      if (!machine.config.auto_destroy || policy !== 'no') return;
      this.#enter(machine, 'destroying');
      this.#enter(machine, 'destroyed', { type: 'destroy', source: 'flyd' });
    }
  }

  /** Notes a new state, and the event that tells of it. */
  #enter(machine: Machine, state: MachineState, event?: Partial<MachineEvent> & { type: string; source: string }): void {
    const timestamp = this.#clock.nowMs();
    if (machine.startedAtMs !== null) machine.startedBeforeMs += timestamp - machine.startedAtMs;
    machine.startedAtMs = state === 'started' || (state === 'stopping' && machine.pid !== null) ? timestamp : null;
    machine.state = state;
    machine.updatedAtMs = timestamp;
    if (event !== undefined) machine.events.unshift({ id: this.#random.hex(26), status: state, timestamp, ...event });
    this.#onChange(machine);
  }

  #schedule(machine: Machine, delayMs: number, callback: () => void): void {
    this.#cancel(machine);
    this.#cancels.set(machine.id, this.#clock.after(delayMs, callback));
  }

  #cancel(machine: Machine): void {
    this.#cancels.get(machine.id)?.();
    this.#cancels.delete(machine.id);
  }
}

function scopeOf(machine: Machine) {
  return { app: machine.app, region: machine.region, machineId: machine.id };
}

function refused(verb: string, machine: Machine, reason = `current state: '${machine.state}'`): ApiError {
  return new ApiError(412, `failed_precondition: unable to ${verb} machine, ${reason}`);
}

function environment(machine: Machine): Record<string, string> {
  const { config } = machine;
  return {
    PATH: process.env.PATH ?? '',
    ...machine.secrets,
    ...config.env,
    FLY_APP_NAME: machine.app,
    FLY_MACHINE_ID: machine.id,
    FLY_ALLOC_ID: machine.id,
    FLY_REGION: machine.region,
    FLY_PRIVATE_IP: machine.privateIp,
    FLY_PUBLIC_IP: machine.privateIp,
    FLY_IMAGE_REF: config.image,
    FLY_MACHINE_VERSION: machine.instanceId,
    FLY_PROCESS_GROUP: config.metadata.fly_process_group ?? 'app',
    FLY_VM_MEMORY_MB: String(config.guest?.memory_mb ?? 256),
  };
}
