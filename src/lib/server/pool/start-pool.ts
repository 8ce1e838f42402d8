import { createHmac, randomUUID } from 'node:crypto';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { config, storageEnvironment } from '#lib/server/config.ts';
import { db } from '#lib/server/db.ts';
import type { RunnerBackend } from '#lib/server/pool/backends/backend.ts';
import { FlyApi } from '#lib/server/pool/backends/fly-api.ts';
import { FlyBackend } from '#lib/server/pool/backends/fly.ts';
import { LocalBackend } from '#lib/server/pool/backends/local.ts';
import { Pool } from '#lib/server/pool/pool.ts';
import { reserveApiRequest } from '#lib/server/stores/pools.ts';

const RUNNER_PATH = 'src/entries/runner.ts';
/** Where a runner and its calls send their spans. */
const TELEMETRY = given(['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_SERVICE_NAME']);
const METRICS = given(['METRICS_PORT', 'METRICS_HOST']);

/** Those of these variables that this process has. */
function given(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

/** Fly's published limits, for an action on an app. */
const FLY_LIMIT = { perSecond: 1, burst: 3 };

/** Opens the pools with the backend that the configuration names. Only a parent's calls are answered, and only a parent boots machines. */
export async function startPool({ isParent }: { readonly isParent: boolean }): Promise<Pool> {
  const { databaseUrl, runnerDatabaseUrl, dataDir, ffmpegPath, ffprobePath, pythonPath, logLevel, fly, s3, secretKeyBase } = config();
  const pool = new Pool(databaseUrl, {
    sql: db(),
    backend: chooseBackend(),
    parentId: `${os.hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`,
    deployment: fly?.app ?? 'heaters',
    tokenFor: (name) => createHmac('sha256', secretKeyBase).update(`runner ${name}`).digest('base64url'),
    runnerEnv: {
      HEATERS_ROLE: 'runner',
      DATABASE_URL: runnerDatabaseUrl,
      PATH: process.env.PATH ?? '',
      DATA_DIR: dataDir,
      FFMPEG_PATH: ffmpegPath,
      FFPROBE_PATH: ffprobePath,
      HEATERS_PYTHON: pythonPath,
      LOG_LEVEL: logLevel,
      ...TELEMETRY,
      // On a computer of their own they may serve their metrics too; on this one the port is taken.
      ...(fly === null ? {} : METRICS),
      // Runners read and write objects by themselves.
      ...storageEnvironment(s3),
      // Under `npm start`, machines of this computer end with it, whichever worker has booted them.
      ...(fly === null && process.env.HEATERS_LAUNCHER_PID !== undefined ? { HEATERS_LAUNCHER_PID: process.env.HEATERS_LAUNCHER_PID } : {}),
      RUNNER_STOP_GRACE_MS: fly === null ? '0' : '25000',
    },
  });
  if (isParent) await pool.start();
  return pool;
}

function chooseBackend(): RunnerBackend {
  const { fly } = config();
  if (fly === null) return new LocalBackend([process.execPath, fileURLToPath(new URL(`../../../../${RUNNER_PATH}`, import.meta.url))]);
  const { origin, app, token, image, region } = fly;
  const reserve = (action: string) => reserveApiRequest(db(), `fly ${action} ${app}`, FLY_LIMIT);
  return new FlyBackend({
    api: new FlyApi({ origin, app, token, reserve }),
    ...{ deployment: app, image, regions: region === null ? [] : [region], command: ['node', RUNNER_PATH] },
  });
}
