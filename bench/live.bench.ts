/**
 * How long a decision's event takes from its transaction to every open page, and how many
 * events a second one web node passes on.
 *
 * Run against an empty, migrated database: `DATABASE_URL=… node bench/live.bench.ts [pages] [events] [perSecond]`.
 * All pages are sockets of this one process, so the figures include its work as a client.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { io } from 'socket.io-client';
import { connect } from '#lib/server/db.ts';
import { Hub } from '#lib/server/realtime/hub.ts';
import { Listener } from '#lib/server/realtime/listener.ts';
import { publish } from '#lib/server/stores/outbox.ts';
import type { ClipView } from '#lib/live/views.ts';

const [pages = 100, events = 500, perSecond = 50] = process.argv.slice(2).map(Number);
const databaseUrl = process.env.DATABASE_URL;
if (databaseUrl === undefined) throw new Error('Set DATABASE_URL to an empty, migrated database.');

const sql = connect(databaseUrl, 5);
const server = createServer();
const listener = new Listener({
  databaseUrl,
  sql,
  sink: {
    onEvent: (event) => hub.onEvent(event),
    onSignal: (signal) => hub.onSignal(signal),
    onAccountChanged: (userId) => hub.onAccountChanged(userId),
  },
});
// Each page is another person: the hub limits how fast one may send.
let people = 0;
const nextPerson = () => ({ userId: (people += 1), name: 'Bench', role: 'reviewer', sessionId: String(people) }) as const;
const notMeasured = () => Promise.reject(new Error('The bench measures events only.'));
const hub = new Hub({
  httpServer: server,
  origin: 'http://localhost',
  sql,
  source: listener,
  door: { authenticateHandshake: () => Promise.resolve(nextPerson()), stillValid: () => Promise.resolve(null) },
  commands: { review: notMeasured, undo: notMeasured, playback: notMeasured },
});
await listener.start();
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const sentMs = new Map<number, number>();
const delaysMs: number[] = [];
let disorder = 0;
const sockets = await Promise.all(
  Array.from({ length: pages }, async () => {
    const socket = io(url, { transports: ['websocket'], forceNew: true });
    let last = 0;
    socket.on('event', (event: { seq: number }) => {
      if (event.seq !== last + 1) disorder += 1;
      last = event.seq;
      delaysMs.push(performance.now() - (sentMs.get(event.seq) ?? Number.NaN));
    });
    const answer = (await socket.timeout(10_000).emitWithAck('subscribe', { topic: 'video:1', afterSeq: 0 })) as { kind: string };
    if (answer.kind !== 'ok') throw new Error(`A page could not subscribe (${answer.kind}): is the database empty?`);
    return socket;
  }),
);

const clip: ClipView = {
  id: 1,
  videoId: 1,
  startFrame: 0,
  endFrame: 100,
  state: 'approved',
  groupId: null,
  version: 2,
  decidedBy: { id: 1, name: 'Bench' },
  decidedAt: new Date().toISOString(),
  exportState: 'none',
  exportError: null,
};
const startedMs = performance.now();
for (let index = 0; index < events; index += 1) {
  const waitMs = startedMs + (index * 1000) / perSecond - performance.now();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  sentMs.set(index + 1, performance.now());
  await sql.begin((tx) =>
    publish(
      tx,
      'video:1',
      {
        type: 'clips-changed',
        payload: { videoId: 1, cause: 'approve', actorName: 'Bench', removedClipIds: [], clips: [clip] },
      },
      null,
    ),
  );
}
const deadlineMs = performance.now() + 10_000;
while (delaysMs.length < pages * events && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 5));
const tookMs = performance.now() - startedMs;

const sorted = delaysMs.toSorted((a, b) => a - b);
const percentile = (share: number) =>
  Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1));
process.stdout.write(
  `${JSON.stringify({
    pages,
    events,
    delivered: delaysMs.length,
    missing: pages * events - delaysMs.length,
    disorder,
    delayMs: { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99), max: percentile(1) },
    deliveredPerSecond: Math.round((delaysMs.length * 1000) / tookMs),
  })}\n`,
);
for (const socket of sockets) socket.disconnect();
await hub.close(500);
await listener.stop();
await sql.end({ timeout: 1 });
