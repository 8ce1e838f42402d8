/**
 * Many Socket.IO clients in one process, told over IPC what to do. It notes when the last of its clients has
 * received an event, and how many were delivered: nothing else is done with them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';

/** What the bench tells this process. `topics` are followed after connecting, where the server has topics. */
export type ClientsOrder =
  | {
      readonly kind: 'connect';
      readonly url: string;
      readonly cookie: string;
      readonly topics: readonly string[];
      readonly count: number;
      readonly query?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'count' }
  | { readonly kind: 'close' };

/** What this process tells the bench. Times are ms since 1970 on the machine's clock. */
export type ClientsReport =
  | { readonly kind: 'connected' }
  | { readonly kind: 'counted'; readonly deliveries: number }
  | { readonly kind: 'received'; readonly key: string; readonly lastAtMs: number };

const CONNECT_AT_ONCE = 25;
const sockets: Socket[] = [];
const followers = new Map<string, number>();
const received = new Map<string, number>();
let deliveries = 0;

const report = (message: ClientsReport) => process.send?.(message);

function onEvent(event: { topic: string; seq: number; type: string }): void {
  deliveries += 1;
  if (event.type !== 'clips-changed') return;
  const key = `${event.topic} ${event.seq}`;
  const count = (received.get(key) ?? 0) + 1;
  received.set(key, count);
  if (count < (followers.get(event.topic) ?? 0)) return;
  received.delete(key);
  report({ kind: 'received', key, lastAtMs: performance.timeOrigin + performance.now() });
}

async function connect(order: Extract<ClientsOrder, { kind: 'connect' }>): Promise<void> {
  for (const topic of order.topics) followers.set(topic, (followers.get(topic) ?? 0) + order.count);
  for (let made = 0; made < order.count; made += CONNECT_AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(CONNECT_AT_ONCE, order.count - made) }, () => connectOne(order)));
  }
}

async function connectOne({ url, cookie, topics, query }: Extract<ClientsOrder, { kind: 'connect' }>): Promise<void> {
  const socket = io(url, { transports: ['websocket'], forceNew: true, extraHeaders: { cookie }, query: { ...query } });
  sockets.push(socket);
  socket.on('event', onEvent);
  socket.on('connect_error', (error) => console.error(`A client could not connect: ${error.message}`));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  if (query !== undefined) return;
  // One person's many windows meet the limit of requests a second: each then waits its turn.
  const ask = async (name: string, request: object) => {
    while (((await socket.timeout(20_000).emitWithAck(name, request)) as { kind: string }).kind === 'refused') await sleep(250);
  };
  for (const topic of topics) await ask('subscribe', { topic, afterSeq: 0 });
  const session = topics.find((topic) => topic.startsWith('session:'));
  if (session !== undefined) await ask('enter', { topic: session });
}

process.on('message', (order: ClientsOrder) => {
  switch (order.kind) {
    case 'connect':
      void connect(order).then(() => report({ kind: 'connected' }));
      break;
    case 'count':
      report({ kind: 'counted', deliveries });
      break;
    case 'close':
      for (const socket of sockets) socket.disconnect();
      process.exit(0);
  }
});
