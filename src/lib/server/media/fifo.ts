import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/**
 * Lets one process write what another reads, through a FIFO in `workDir`; gives what `read` gives.
 * Whoever fails first stops the other, since neither may wait for ever at the FIFO; its error is thrown.
 */
export async function throughFifo<T>(
  workDir: string,
  callerSignal: AbortSignal,
  write: (fifoPath: string, signal: AbortSignal) => Promise<void>,
  read: (fifoPath: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const fifoPath = path.join(workDir, `frames-${randomUUID()}.yuv`);
  await promisify(execFile)('mkfifo', [fifoPath]);
  const keeper = keepFrom(fifoPath);
  const failed = new AbortController();
  const signal = AbortSignal.any([callerSignal, failed.signal]);
  const stopOther = (error: unknown): never => {
    failed.abort(error);
    void unblock(fifoPath);
    throw error;
  };
  const [, reading] = await Promise.allSettled([write(fifoPath, signal).catch(stopOther), read(fifoPath, signal).catch(stopOther)]);
  keeper.kill('SIGKILL');
  callerSignal.throwIfAborted();
  if (failed.signal.aborted || reading.status === 'rejected') throw failed.signal.reason;
  return reading.value;
}

/** Opens a FIFO at both ends for a moment, so that nobody stays blocked in `open`. */
async function unblock(fifoPath: string): Promise<void> {
  const file = await open(fifoPath, 'r+').catch(() => null);
  await file?.close();
}

/**
 * Starts a process that opens the FIFO for a moment once this process is gone, however it ended: whoever waits in `open` goes on,
 * finds nobody at the other end, and ends too.
 */
function keepFrom(fifoPath: string): ChildProcess {
  // Our end of its stdin closes with us. A group of its own: what kills ours must leave it.
  const keeper = spawn('sh', ['-c', 'cat > /dev/null; [ -p "$1" ] && exec 3<> "$1"', 'sh', fifoPath], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  keeper.on('error', () => undefined);
  return keeper;
}
