import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import { BootRefused, type Machine, type MachineSpec, type MachineStatus, type RunnerBackend } from '#lib/server/pool/backends/backend.ts';

const STOP_PATIENCE_MS = 4_000;

/**
 * Machines that are processes of this one. A process is named by host, pid and start time, so that any
 * parent on this host can tell whether it lives, and none mistakes a reused pid for it.
 */
export class LocalBackend implements RunnerBackend {
  readonly name = 'local';
  readonly #command: readonly string[];
  readonly #children = new Map<string, ChildProcess>();

  #onGone: (machineId: string) => void = () => undefined;

  /** `command` starts a runner, program first. */
  constructor(command: readonly string[]) {
    this.#command = command;
  }

  async boot(spec: MachineSpec): Promise<Machine> {
    const [program, ...args] = this.#command;
    const child = spawn(program!, args, { detached: true, stdio: ['ignore', 'ignore', 'inherit'], env: { ...spec.env } });
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject)).catch((error: unknown) => {
      throw new BootRefused(`${program} could not be started: ${String(error)}`);
    });
    // Below the app itself: an encode takes what the reviewers leave.
    os.setPriority(child.pid!, os.constants.priority.PRIORITY_BELOW_NORMAL);
    const id = await localMachineId(child.pid!);
    this.#children.set(id, child);
    child.once('exit', () => {
      this.#onGone(id);
      setTimeout(() => this.#children.delete(id), 60_000).unref();
    });
    child.unref();
    return { id, name: spec.name, region: null, createdAtMs: Date.now() };
  }

  async inspect(machineId: string): Promise<MachineStatus> {
    const [host, pid, startedAt] = machineId.split(':');
    if (host !== os.hostname()) throw new Error(`The process ${machineId} is on another host.`);
    const child = this.#children.get(machineId);
    if (child === undefined) return (await startTime(Number(pid))) === startedAt ? { state: 'alive' } : { state: 'gone', failure: null };
    if (child.exitCode === null && child.signalCode === null) return { state: 'alive' };
    const isClean = child.exitCode === 0;
    return {
      state: 'gone',
      failure: isClean ? null : child.signalCode ? `killed by ${child.signalCode}` : `ended with code ${child.exitCode}`,
    };
  }

  async destroy(machineId: string): Promise<void> {
    if ((await this.inspect(machineId)).state === 'gone') return;
    try {
      process.kill(-Number(machineId.split(':')[1]), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }

  onGone(listener: (machineId: string) => void): void {
    this.#onGone = listener;
  }

  list(): Promise<Machine[]> {
    return Promise.resolve([]);
  }

  /** Ends the processes that this parent has started: they give their calls back. */
  async stop(): Promise<string[]> {
    const living = [...this.#children.values()].filter((child) => child.exitCode === null && child.signalCode === null);
    await Promise.all(
      living.map(async (child) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.ref();
        child.kill('SIGTERM');
        const patience = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), STOP_PATIENCE_MS);
        await ended;
        clearTimeout(patience);
      }),
    );
    return [...this.#children.keys()];
  }
}

/** The id of a process of this host as a machine. */
export async function localMachineId(pid: number): Promise<string> {
  return `${os.hostname()}:${pid}:${await startTime(pid)}`;
}

/** When a process began, in its kernel's ticks; null when there is none. */
async function startTime(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name is in parentheses and may hold anything; state is field 3, the start time field 22 (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : fields[19]!;
  } catch {
    // No /proc, as on macOS: alive or not is all that can be told.
    try {
      process.kill(pid, 0);
      return process.platform === 'linux' ? null : 'unknown';
    } catch {
      return null;
    }
  }
}
