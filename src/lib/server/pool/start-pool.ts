import { randomUUID } from 'node:crypto';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { config } from '#lib/server/config.ts';
import { db } from '#lib/server/db.ts';
import { LocalBackend } from '#lib/server/pool/backends/local.ts';
import { Pool } from '#lib/server/pool/pool.ts';

const RUNNER_PATH = fileURLToPath(new URL('../../../entries/runner.ts', import.meta.url));

/** Starts this process as a parent of the pools, with the backend that the configuration names. */
export async function startPool(): Promise<Pool> {
  const { databaseUrl, dataDir, ffmpegPath, ffprobePath, pythonPath, logLevel } = config();
  const pool = new Pool(databaseUrl, {
    sql: db(),
    backend: new LocalBackend([process.execPath, RUNNER_PATH]),
    parentId: `${os.hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`,
    deployment: 'heaters',
    runnerEnv: {
      HEATERS_ROLE: 'runner',
      DATABASE_URL: databaseUrl,
      PATH: process.env.PATH ?? '',
      DATA_DIR: dataDir,
      FFMPEG_PATH: ffmpegPath,
      FFPROBE_PATH: ffprobePath,
      HEATERS_PYTHON: pythonPath,
      LOG_LEVEL: logLevel,
    },
  });
  await pool.start();
  return pool;
}
