import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import { processMark } from '../support/fly-sim/processes.ts';

// A process that lets ffmpeg write what nobody has come to read yet, and says ffmpeg's process id.
const OWNER = `
  import { spawn } from 'node:child_process';
  import { throughFifo } from '#lib/server/media/fifo.ts';
  const ffmpeg = process.env.FFMPEG_PATH ?? 'ffmpeg';
  await throughFifo(
    process.argv[1],
    new AbortController().signal,
    (fifo) => new Promise((resolve) => {
      const args = ['-nostdin', '-loglevel', 'quiet', '-f', 'lavfi', '-i', 'testsrc2=d=1', '-f', 'rawvideo', '-y', fifo];
      const child = spawn(ffmpeg, args, { stdio: 'ignore' });
      console.log(child.pid);
      child.once('exit', resolve);
    }),
    () => new Promise((resolve) => setTimeout(resolve, 60_000)),
  );`;

it('what waits at a FIFO ends with the process that made it, though that is killed', async () => {
  const folder = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'fifo-'));
  const owner = spawn(process.execPath, ['--input-type=module', '-e', OWNER, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = await new Promise<number>((resolve) => owner.stdout.once('data', (text: Buffer) => resolve(Number(text.toString()))));
  // It is there, and waits for somebody to read.
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(processMark(pid)).not.toBeNull();
  owner.kill('SIGKILL');
  await vi.waitFor(() => expect(processMark(pid)).toBeNull(), { timeout: 20_000, interval: 50 });
  rmSync(folder, { recursive: true });
});
