import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { S3Settings } from '#lib/server/config.ts';
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts';
import { freePort } from './free-port.ts';

/** A server that speaks the S3 protocol (moto), behind a proxy that can go wrong, with one bucket. */
export interface S3Server {
  /** What the app needs to use the bucket, through the proxy. */
  readonly settings: S3Settings;
  /** The same as environment variables. */
  readonly environment: Readonly<Record<string, string>>;
  readonly proxy: FaultProxy;
  /** How many uploads by parts are unfinished. */
  unfinishedUploads(): Promise<number>;
  /** Lets the pages of an origin send parts. */
  allowOrigin(origin: string): Promise<void>;
  /** Makes archived objects stay on their way when they are restored, instead of being back at once. */
  restoreSlowly(): Promise<void>;
  close(): Promise<void>;
}

const BUCKET = 'heaters-test';

/** Starts one on a free port. */
export async function startS3Server(): Promise<S3Server> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const program = path.join(path.dirname(process.env.HEATERS_PYTHON ?? ''), 'moto_server');
  const child = spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  for (const deadline = Date.now() + 30_000; !(await fetch(`${origin}/moto-api/`).catch(() => null))?.ok; await sleep(100)) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error(`${program} does not get ready.`);
  }
  const send = async (target: string, init: RequestInit): Promise<string> => {
    const answer = await fetch(`${origin}${target}`, init);
    if (!answer.ok) throw new Error(`${init.method} ${target}: ${answer.status} ${await answer.text()}`);
    return answer.text();
  };
  await send(`/${BUCKET}`, { method: 'PUT' });
  const proxy = await startFaultProxy(port);
  const settings: S3Settings = {
    ...{ bucket: BUCKET, region: 'us-east-1', accessKeyId: 'test', secretAccessKey: 'test-secret' },
    ...{ endpoint: proxy.origin, masterStorageClass: 'GLACIER' },
  };
  return {
    settings,
    environment: {
      ...{ PROD_S3_BUCKET_NAME: BUCKET, AWS_REGION: settings.region, AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test-secret' },
      ...{ AWS_ENDPOINT_URL_S3: proxy.origin, MASTER_STORAGE_CLASS: 'GLACIER' },
    },
    proxy,
    unfinishedUploads: async () => (await send(`/${BUCKET}?uploads`, { method: 'GET' })).split('<UploadId>').length - 1,
    async allowOrigin(allowed) {
      const rule = `<CORSRule><AllowedOrigin>${allowed}</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-checksum-sha256</AllowedHeader></CORSRule>`;
      await send(`/${BUCKET}?cors`, { method: 'PUT', body: `<CORSConfiguration>${rule}</CORSConfiguration>` });
    },
    async restoreSlowly() {
      const transition = { model_name: 's3::keyrestore', transition: { progression: 'manual', times: 2 } };
      await send('/moto-api/state-manager/set-transition', { method: 'POST', body: JSON.stringify(transition) });
    },
    async close() {
      await proxy.close();
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}
