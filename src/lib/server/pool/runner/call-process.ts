import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { log } from '#lib/server/log.ts';
import { CallMessageSchema, type Call } from '#lib/server/pool/protocol.ts';
import type { CallOutcome, CallProgress } from '#lib/server/stores/pool-calls.ts';
import type { FfmpegUsage } from '#lib/server/telemetry/ffmpeg-usage.ts';

const KILL_GRACE_MS = 3_000;
/** What a call's process gets of this one's environment: neither database nor token. */
const WITHHELD = ['DATABASE_URL', 'RUNNER_ID', 'RUNNER_TOKEN'];

/** How a call ended, and what its process has used as far as it came to say so. */
export interface CallEnd {
  readonly outcome: CallOutcome;
  readonly usage: FfmpegUsage | null;
}

function failed(error: string): CallEnd {
  return { outcome: { kind: 'failed', error, isRefusal: false }, usage: null };
}

/** A process in a group of its own that is ready to run one call. */
export class CallProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<{ code: number | null; killedBy: NodeJS.Signals | null }>;

  /** Starts it; it loads the tasks and waits. */
  constructor() {
    const inherited = Object.entries(process.env).filter(([name]) => !WITHHELD.includes(name));
    const env = { ...Object.fromEntries(inherited), HEATERS_ROLE: 'call' };
    this.#child = spawn(process.execPath, [...process.execArgv, process.argv[1]!], {
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
      env,
    });
    this.#closed = new Promise((resolve) => {
      this.#child.once('error', () => resolve({ code: 127, killedBy: null }));
      this.#child.once('close', (code, killedBy) => resolve({ code, killedBy }));
    });
    this.#child.stdin!.on('error', () => undefined);
  }

  /** Whether it still waits for its call. */
  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Runs the call and tells how it ended; never throws. `signal` stops it: its whole process group gets
   * SIGTERM, and SIGKILL a little later. No process of the call is left.
   */
  async run(call: Call, signal: AbortSignal, onProgress: (progress: CallProgress) => void): Promise<CallEnd> {
    const oomKillsBefore = oomKills();
    let killTimer: NodeJS.Timeout | undefined;
    const stop = () => {
      this.#kill('SIGTERM');
      killTimer = setTimeout(() => this.#kill('SIGKILL'), KILL_GRACE_MS);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    try {
      this.#child.stdin!.write(`${JSON.stringify(call)}\n`);
      let outcome: CallOutcome | undefined;
      let usage: FfmpegUsage | null = null;
      for await (const line of createInterface({ input: this.#child.stdout! })) {
        const message = v.parse(CallMessageSchema, JSON.parse(line));
        if (message.type === 'progress') onProgress(message);
        else if (message.type === 'usage') usage = message.ffmpeg;
        else if (message.type === 'result') outcome = { kind: 'done', output: message.output };
        else outcome = { kind: 'failed', error: message.message, isRefusal: message.isRefusal };
      }
      const { code, killedBy } = await this.#closed;
      if (outcome !== undefined) return { outcome, usage };
      if (killedBy === null) return failed(`The process of ${call.task} ended with code ${code} before it gave a result.`);
      const isOutOfMemory = killedBy === 'SIGKILL' && oomKills() > oomKillsBefore;
      const reason = isOutOfMemory
        ? `${call.task} needs more memory than the machine has.`
        : `The process of ${call.task} was killed by ${killedBy}.`;
      return { outcome: { kind: 'returned', reason, isOutOfMemory }, usage };
    } catch (error) {
      log.error({ err: error }, 'a call talks nonsense');
      return failed(`The process of ${call.task} gave no readable result.`);
    } finally {
      signal.removeEventListener('abort', stop);
      clearTimeout(killTimer);
      this.#kill('SIGKILL');
    }
  }

  /** Ends it, with everything that it has started. */
  end(): void {
    this.#kill('SIGKILL');
  }

  #kill(signal: NodeJS.Signals): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, signal);
    } catch {
      // The group is gone already.
    }
  }
}

/** How often the kernel has killed a process here for lack of memory; 0 where it does not tell. */
function oomKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
