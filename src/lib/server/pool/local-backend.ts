import { spawn } from 'node:child_process';
import os from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { config } from '#lib/server/config.ts';
import { log } from '#lib/server/log.ts';
import { TaskRefused, type TaskProgress } from '#lib/server/pool/define-task.ts';
import { RunnerMessageSchema } from '#lib/server/pool/protocol.ts';

const RUNNER_PATH = fileURLToPath(new URL('../../../entries/runner.ts', import.meta.url));
const KILL_GRACE_MS = 3_000;

/** Runs one call in a process group of its own on this machine, with only the environment it needs. */
export async function runInProcess(
  call: { readonly task: string; readonly version: number; readonly input: unknown },
  signal: AbortSignal,
  onProgress: (progress: TaskProgress) => void,
): Promise<unknown> {
  signal.throwIfAborted();
  const { dataDir, ffmpegPath, ffprobePath, pythonPath, logLevel } = config();
  const child = spawn(process.execPath, [RUNNER_PATH], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      HEATERS_ROLE: 'runner',
      PATH: process.env.PATH ?? '',
      DATA_DIR: dataDir,
      FFMPEG_PATH: ffmpegPath,
      FFPROBE_PATH: ffprobePath,
      HEATERS_PYTHON: pythonPath,
      LOG_LEVEL: logLevel,
    },
  });
  // Below the app itself: an encode takes what the reviewers leave.
  if (child.pid !== undefined) os.setPriority(child.pid, os.constants.priority.PRIORITY_BELOW_NORMAL);
  const closed = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, killedBy) => resolve(killedBy ? `was killed by ${killedBy}` : `ended with code ${code}`));
  });
  closed.catch(() => undefined);
  // The runner leaves when this end closes, so a killed parent leaves no process behind.
  child.stdin.on('error', () => undefined);
  child.stdin.write(`${JSON.stringify(call)}\n`);
  child.stderr.on('data', (text: Buffer) => log.debug({ runner: text.toString().trim() }, 'runner'));

  const killGroup = (killSignal: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, killSignal);
    } catch {
      // The group is gone already.
    }
  };
  let killTimer: NodeJS.Timeout | undefined;
  const stop = () => {
    killGroup('SIGTERM');
    killTimer = setTimeout(() => killGroup('SIGKILL'), KILL_GRACE_MS);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    let outcome: { output: unknown } | undefined;
    for await (const line of createInterface({ input: child.stdout })) {
      const message = v.parse(RunnerMessageSchema, JSON.parse(line));
      if (message.type === 'progress') onProgress(message);
      else if (message.type === 'result') outcome = { output: message.output };
      else if (signal.aborted) throw signal.reason;
      else throw message.isRefusal ? new TaskRefused(message.message) : new Error(message.message);
    }
    const ending = await closed;
    signal.throwIfAborted();
    if (outcome === undefined) throw new Error(`The runner of ${call.task} ${ending} before it gave a result.`);
    return outcome.output;
  } finally {
    signal.removeEventListener('abort', stop);
    killGroup('SIGKILL');
    clearTimeout(killTimer);
  }
}
