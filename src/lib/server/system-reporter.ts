import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { statfs, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { ProcessReport } from '#lib/core/troubles.ts';
import type { QueueName } from '#lib/jobs/stages.ts';
import { config } from '#lib/server/config.ts';
import type { Sql } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { installedModel } from '#lib/server/media/embedder.ts';
import { pendingMigrations } from '#lib/server/migrate.ts';
import { reach, REACH_PATIENCE_MS } from '#lib/server/reach.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { signMediaUrl } from '#lib/server/storage/sign-url.ts';
import { signal } from '#lib/server/stores/outbox.ts';
import { forgetProcess, storeReport } from '#lib/server/stores/process-reports.ts';

const REPORT_EVERY_MS = 15_000;
/** An object that is there for nothing but to be fetched. */
const PROBE_KEY = 'health/delivery.txt';

/** What a process says of itself. */
export interface ReporterOptions {
  readonly role: 'web' | 'worker';
  readonly queues: readonly QueueName[];
  /** How long a notification takes, where this process listens. */
  readonly lagMs?: (patienceMs: number) => Promise<number>;
}

/** Reports how this process sees disk, store, delivery and notifications, every few seconds until the function that it gives is called. */
export function startSystemReporter(sql: Sql, { role, queues, lagMs }: ReporterOptions): () => Promise<void> {
  const identity = { id: randomUUID(), role, host: os.hostname(), pid: process.pid, startedAt: new Date() };
  const versions = programVersions();
  let isReporting = false;
  let isStopped = false;
  const report = async () => {
    if (isReporting || isStopped) return;
    isReporting = true;
    try {
      const [disk, store, delivery, listen, model, missingMigrations] = await Promise.all([
        diskSpace(),
        reach(() => objectStore().check()),
        reach(fetchSigned),
        lagMs === undefined ? null : reach(() => lagMs(REACH_PATIENCE_MS)),
        installedModel(),
        pendingMigrations(sql),
      ]);
      const said: ProcessReport = {
        ...{ queues, versions: await versions, disk, store, delivery, listen, missingMigrations },
        model: model === null ? null : `${model.name} ${model.version}`,
      };
      if (!isStopped) await storeReport(sql, identity, said);
      await signal(sql, { topic: 'system', type: 'moved', payload: {} });
    } catch (error) {
      log.warn({ err: error }, 'this process could not report how it is');
    } finally {
      isReporting = false;
    }
  };
  const timer = setInterval(() => void report(), REPORT_EVERY_MS);
  timer.unref();
  void report();
  return async () => {
    isStopped = true;
    clearInterval(timer);
    await forgetProcess(sql, identity.id).catch(() => undefined);
  };
}

/** Fetches an object as a browser does: by a signed URL from the distribution; where there is none, the app itself is asked. */
async function fetchSigned(): Promise<void> {
  const { cloudFront, origin } = config();
  if (cloudFront !== null && (await objectStore().stat(PROBE_KEY)) === null) {
    const file = path.join(os.tmpdir(), `heaters-probe-${process.pid}.txt`);
    await writeFile(file, 'ok\n');
    await objectStore().publish(PROBE_KEY, file);
  }
  const url = cloudFront === null ? `${origin}/healthz` : signMediaUrl(PROBE_KEY, { ttlMs: 3_600_000 });
  const answer = await fetch(url, { signal: AbortSignal.timeout(REACH_PATIENCE_MS) });
  if (!answer.ok) throw new Error(`it answers ${answer.status}`);
}

async function diskSpace(): Promise<ProcessReport['disk']> {
  const { bavail, blocks, bsize } = await statfs(config().dataDir).catch(() => statfs(os.tmpdir()));
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** Versions of what this process runs; null for a program that is not there. */
async function programVersions(): Promise<Record<string, string | null>> {
  const { ffmpegPath, pythonPath, fly } = config();
  const ask = (program: string, args: string[], pattern: RegExp) =>
    promisify(execFile)(program, args, { timeout: REACH_PATIENCE_MS }).then(
      ({ stdout }) => pattern.exec(stdout)?.[1] ?? null,
      () => null,
    );
  const [ffmpeg, python] = await Promise.all([
    ask(ffmpegPath, ['-version'], /^ffmpeg version (\S+)/),
    ask(pythonPath, ['--version'], /^Python (\S+)/),
  ]);
  return { app: fly?.image.split(':').at(-1) ?? 'from source', node: process.versions.node, ffmpeg, python };
}
