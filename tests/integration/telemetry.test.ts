import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { observeUpload } from '#lib/server/telemetry/observe-upload.ts';
import { startTracing } from '#lib/server/telemetry/tracing.ts';
import { findVideo } from '#lib/server/stores/videos.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { startOtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.ts';
import { importFilm, startWorker, stopWorker } from '../support/worker.ts';

let env: TestEnvironment;
let receiver: Awaited<ReturnType<typeof startOtlpReceiver>>;
let worker: ChildProcess | undefined;
let flush: () => Promise<void>;
beforeAll(async () => {
  env = await openEnvironment();
  receiver = await startOtlpReceiver();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = receiver.endpoint;
  flush = await startTracing('web');
});
afterAll(async () => {
  if (worker !== undefined) await stopWorker(worker);
  receiver.close();
  await env.close();
}, 30_000);

const freePort = async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
};

it('makes one trace of an upload, its jobs, their calls and ffmpeg, and counts them in the worker’s metrics', async () => {
  const admin = await env.addPerson('Ada', 'admin');
  let videoId = 0;
  const server = createServer((request, response) => {
    void observeUpload(request, response, async () => {
      videoId = await importFilm(env, admin, 'testsrc2=size=160x90:rate=25:duration=2');
      response.writeHead(201).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const metricsPort = await freePort();
  worker = startWorker({ METRICS_PORT: String(metricsPort) });
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/uploads`, { method: 'POST' });
  expect(answer.status).toBe(201);
  await flush();
  server.close();
  await vi.waitFor(async () => expect((await findVideo(env.sql, videoId))?.state).toBe('ready'), { timeout: 60_000, interval: 200 });

  const named = (name: string) => receiver.spans.find((span) => span.name === name);
  await vi.waitFor(() => expect(named('job detect-scenes')).toBeDefined(), { timeout: 10_000, interval: 100 });
  const path: readonly [string, string][] = [
    ['POST /uploads', 'web'],
    ['job encode', 'worker'],
    ['call encode-video', 'worker'],
    ['runner encode-video', 'runner'],
    ['task encode-video', 'call'],
    ['ffmpeg', 'call'],
  ];
  const chain: ReceivedSpan[] = [];
  for (const [name, role] of path) {
    await vi.waitFor(() => expect(named(name), name).toBeDefined(), { timeout: 20_000, interval: 100 });
    const span = receiver.spans.find((each) => each.name === name && (chain.length === 0 || each.parentSpanId === chain.at(-1)!.spanId));
    expect(span, `${name} follows from ${chain.at(-1)?.name ?? 'nothing'}`).toBeDefined();
    expect(span!.role).toBe(role);
    chain.push(span!);
  }
  // The stage that an encode calls for belongs to the same story.
  expect(new Set([...chain, named('job detect-scenes')!].map((span) => span.traceId)).size).toBe(1);

  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  expect(metrics).toMatch(/^heaters_stage_duration_seconds_count\{stage="encode",outcome="done"\} 1$/m);
  expect(Number(/^heaters_ffmpeg_runs_total\{outcome="done"\} (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
  expect(metrics).toMatch(/^heaters_pool_machines\{pool="media",state="(ready|booting)"\} [1-5]$/m);
  expect((await fetch(`http://127.0.0.1:${metricsPort}/anything`)).status).toBe(404);
}, 120_000);
