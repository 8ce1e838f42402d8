import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';

/** How a process ended; both are `null` when nobody saw it. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What tells a process from a later one of the same id (its start time); `null` when it is gone. */
export function processMark(pid: number): string | null {
  if (!existsSync('/proc/self/stat')) {
    const line = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
    return line === '' || line.startsWith('Z') ? null : line.slice(line.indexOf(' ')).trim();
  }
  try {
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return state === 'Z' ? null : fields[18]!;
  } catch {
    return null;
  }
}

/** Sends a signal to the main process (as Fly's init does), or to the whole group. */
export function sendSignal(pid: number | null, signal: NodeJS.Signals, to: 'main' | 'group'): void {
  // No process: id 0 would be the caller's own group.
  if (pid === null) return;
  try {
    process.kill(to === 'group' ? -pid : pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Starts a process group; `onExit` is called once, after everything left in the group was killed. */
export function launch(
  options: { command: readonly string[]; cwd: string; env: Record<string, string>; logFile: string | null },
  onExit: (outcome: Outcome) => void,
): number | null {
  const [program, ...args] = options.command as [string, ...string[]];
  const output = options.logFile === null ? 'ignore' : openSync(options.logFile, 'a');
  const child = spawn(program, args, { cwd: options.cwd, env: options.env, detached: true, stdio: ['ignore', output, output] });
  if (typeof output === 'number') closeSync(output);
  child.once('error', () => onExit({ code: 127, signal: null }));
  child.once('exit', (code, signal) => {
    sendSignal(child.pid ?? null, 'SIGKILL', 'group');
    onExit({ code, signal });
  });
  child.unref();
  return child.pid ?? null;
}

/** Watches a process that another simulator started; gives a function that ends the watch. */
export function watch(pid: number, mark: string, onExit: (outcome: Outcome) => void): () => void {
  const timer = setInterval(() => {
    if (processMark(pid) === mark) return;
    clearInterval(timer);
    onExit({ code: null, signal: null });
  }, 50);
  return () => clearInterval(timer);
}
