import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { WEBHOOK_EVENT_NAMES } from '#lib/live/webhooks.ts';
import { WEBHOOK_DATA } from '#lib/server/api/schemas.ts';
import type { Transaction } from '#lib/server/db.ts';
import { dispatchDeliveries } from '#lib/server/features/deliver-webhooks.ts';
import * as webhooks from '#lib/server/features/manage-webhooks.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { commandSession, createSession } from '#lib/server/features/run-session.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { publishVideo, setVideoFailed, setVideoState } from '#lib/server/stores/videos.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { startWorker, stopWorker } from '../../support/worker.ts';

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let env: TestEnvironment;
let root: Actor;
let receiver: Server;
let address: string;
let received: Received[];
let answers: () => number | null;

beforeAll(async () => {
  process.env['ALLOW_PRIVATE_URLS'] = 'true';
  env = await openEnvironment();
  root = await env.addPerson('Root', 'admin');
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      const status = answers();
      if (status !== null) response.writeHead(status, { location: '/elsewhere' }).end(`answer ${status}`);
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
});
afterAll(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await env.close();
});

let worker: ReturnType<typeof startWorker> | null;
beforeEach(() => {
  received = [];
  answers = () => 200;
  worker = null;
});
afterEach(async () => {
  if (worker !== null) await stopWorker(worker);
  await env.sql`delete from webhooks`;
});

const waitFor = (check: () => boolean | Promise<boolean>, timeout: number) => vi.waitUntil(check, { timeout, interval: 50 });
const work = () => (worker = startWorker({ JOB_QUEUES: 'background_jobs' }));
const types = () => received.map(({ body }) => (JSON.parse(body) as { type: string }).type);

async function add(...events: Parameters<typeof webhooks.createWebhook>[2]['events'][number][]): Promise<number> {
  const made = await webhooks.createWebhook(env.sql, root, { url: address, description: '', events });
  if (made.kind !== 'ok') throw new Error(made.message);
  return made.webhookId;
}

async function approveOne(): Promise<void> {
  const videoId = await env.addVideo(root, 100, [50]);
  const [clip] = await clipsOfVideo(env.sql, videoId);
  const command = { kind: 'approve', clipId: clip!.id, version: clip!.version, commandId: crypto.randomUUID() } as const;
  expect((await reviewClip(env.sql, root, command)).kind).toBe('ok');
}

it('tells of a decision with a signature that an independent library verifies, also by the secret before a rotation', async () => {
  const webhookId = await add('clip.decided');
  const before = (await webhooks.webhookSecret(env.sql, webhookId))!;
  await webhooks.rotateSecret(env.sql, root, webhookId);
  const now = (await webhooks.webhookSecret(env.sql, webhookId))!;
  expect(now).not.toBe(before);
  await approveOne();
  work();
  await waitFor(() => received.length === 1, 30_000);
  const { headers, body } = received[0]!;
  for (const secret of [now, before]) {
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toMatchObject({
      type: 'clip.decided',
      data: { kind: 'approve', actorName: 'Root', clips: [{ state: 'approved' }] },
    });
  }
  expect(() => new Webhook(now).verify(`${body} `, headers as Record<string, string>)).toThrow();
  await waitFor(async () => (await webhooks.webhookLog(env.sql, webhookId))[0]?.state === 'delivered', 10_000);
});

it('tells what the document says of an event, and no more', async () => {
  const webhookId = await add(...WEBHOOK_EVENT_NAMES);
  await approveOne();
  const [row] = await env.sql<{ payload: { data: { clips: object[] } } }[]>`
    select payload from webhook_deliveries where webhook_id = ${webhookId} and event = 'clip.decided'`;
  const described = WEBHOOK_DATA['clip.decided'].entries;
  expect(Object.keys(row!.payload.data).sort()).toEqual(Object.keys(described).sort());
  // Pages are told of a clip’s stills, programs are not.
  expect(Object.keys(row!.payload.data.clips[0]!).sort()).toEqual(Object.keys(described.clips.item.entries).sort());
});

it('tells what became of videos and sessions once each, and of nothing whose transaction was undone', async () => {
  const webhookId = await add('video.ready', 'video.failed', 'session.closed');
  const videoId = await env.addVideo(root, 100, []);
  const ready = async (tx: Transaction) => {
    await setVideoState(tx, videoId, 'ready');
    await publishVideo(tx, videoId, null);
  };
  await env.sql.begin(ready);
  await env.sql.begin((tx) => publishVideo(tx, videoId, null));
  await env.sql.begin(async (tx) => {
    await setVideoFailed(tx, videoId, 'encode', 'broken');
    await publishVideo(tx, videoId, null);
  });
  await env.sql.begin(ready);
  const undone = env.sql.begin(async (tx) => {
    await setVideoFailed(tx, videoId, 'encode', 'undone');
    await publishVideo(tx, videoId, null);
    throw new Error('undone');
  });
  await expect(undone).rejects.toThrow('undone');
  const made = await createSession(env.sql, root, {
    title: '',
    mode: 'together',
    votesNeeded: 1,
    source: { kind: 'videos', videoIds: [videoId] },
  });
  if (made.kind !== 'ok') throw new Error(made.message);
  await commandSession(env.sql, root, { kind: 'end', sessionId: made.sessionId });
  const log = await webhooks.webhookLog(env.sql, webhookId);
  expect(log.map(({ event }) => event).reverse()).toEqual(['video.ready', 'video.failed', 'video.ready', 'session.closed']);
});

it('tries again until the address answers, under one id, and follows no redirect', async () => {
  const webhookId = await add('clip.decided');
  const given = [503, 302];
  answers = () => given.shift() ?? 200;
  await approveOne();
  work();
  await waitFor(() => received.length === 1, 30_000);
  // The next attempt is minutes away: bring it forward, as a lost job's would be found.
  for (let tries = 2; tries <= 3; tries += 1) {
    await waitFor(async () => (await webhooks.webhookLog(env.sql, webhookId))[0]?.attempts.length === tries - 1, 10_000);
    await env.sql`update webhook_deliveries set next_attempt_at = now() - interval '2 minutes'`;
    await dispatchDeliveries(env.sql);
    await waitFor(() => received.length === tries, 30_000);
  }
  await waitFor(async () => (await webhooks.webhookLog(env.sql, webhookId))[0]?.state === 'delivered', 10_000);
  expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  const [delivery] = await webhooks.webhookLog(env.sql, webhookId);
  expect(delivery?.attempts.map(({ status }) => status)).toEqual([503, 302, 200]);
  expect(delivery?.attempts[0]).toMatchObject({ error: expect.stringContaining('503'), responseExcerpt: 'answer 503' });
  expect((await webhooks.webhookView(env.sql, webhookId))?.failingSince).toBeNull();
});

it('comes again when the worker is killed in the middle, and can be sent once more by hand', async () => {
  const webhookId = await add('clip.decided');
  answers = () => null;
  await approveOne();
  const first = work();
  await waitFor(() => received.length === 1, 30_000);
  first.kill('SIGKILL');
  await once(first, 'exit');
  answers = () => 200;
  work();
  await waitFor(async () => (await webhooks.webhookLog(env.sql, webhookId))[0]?.state === 'delivered', 50_000);
  expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  const count = received.length;
  const [delivery] = await webhooks.webhookLog(env.sql, webhookId);
  expect((await webhooks.resendDelivery(env.sql, webhookId, delivery!.id)).kind).toBe('ok');
  await waitFor(() => received.length === count + 1, 30_000);
  expect(received.at(-1)?.headers['webhook-id']).toBe(delivery!.messageId);
});

it('leaves an address alone that is down, disables it after days, and tells it nothing more until it is enabled', async () => {
  const webhookId = await add('clip.decided');
  answers = () => 500;
  await env.sql`update webhooks set failing_since = now() - interval '4 days', failure_count = 7`;
  await webhooks.pingWebhook(env.sql, webhookId);
  work();
  await waitFor(async () => (await webhooks.webhookView(env.sql, webhookId))?.isEnabled === false, 30_000);
  const [disabled] = await webhooks.listWebhooks(env.sql);
  expect(disabled).toMatchObject({ disabledReason: expect.stringContaining('three days'), pendingCount: 0 });
  expect(await env.sql`select from audit_log where action = 'webhook.disable' and actor = 'Heaters'`).toHaveLength(1);
  await approveOne();
  expect((await webhooks.webhookLog(env.sql, webhookId)).map(({ event }) => event)).toEqual(['ping']);
  answers = () => 200;
  await webhooks.changeWebhook(env.sql, root, webhookId, { isEnabled: true });
  await webhooks.pingWebhook(env.sql, webhookId);
  await waitFor(() => types().filter((type) => type === 'ping').length === 2, 30_000);
  await env.sql`update webhooks set resume_at = now() + interval '1 hour'`;
  await webhooks.pingWebhook(env.sql, webhookId);
  await waitFor(
    async () => Date.parse((await webhooks.webhookLog(env.sql, webhookId))[0]?.nextAttemptAt ?? '') > Date.now() + 1_000_000,
    30_000,
  );
  await sleep(200);
  expect(types()).toHaveLength(2);
});
