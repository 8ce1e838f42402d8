import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { importFile } from '#lib/server/features/import-video.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import type { TestEnvironment } from './environment.ts';

/** A worker as a process of its own, on the database and data folder of this process. */
export function startWorker(settings: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, ['src/entries/worker.ts'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    // `node` in an image is the one that this runs on.
    env: { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`, ...settings },
  });
}

/** Ends a worker as a deploy does, and waits for it. */
export async function stopWorker(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  worker.kill('SIGTERM');
  const patience = setTimeout(() => worker.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(patience);
}

/** Makes a film with ffmpeg from a lavfi source and takes it into the library. Gives the video's id. */
export async function importFilm(env: TestEnvironment, actor: Actor, source: string, options: readonly string[] = []): Promise<number> {
  const film = path.join(env.dataDir, `film-${process.hrtime.bigint()}.mp4`);
  execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', [
    ...['-loglevel', 'error', '-f', 'lavfi', '-i', source, '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', ...options, film],
  ]);
  const imported = await importFile(env.sql, actor, { path: film, fileName: 'film.mp4', sourceUrl: null });
  if (imported.kind !== 'ok') throw new Error(`The film was not taken in: ${JSON.stringify(imported)}`);
  return imported.videoId;
}
