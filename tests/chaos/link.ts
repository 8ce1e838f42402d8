import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/** A network between people and a web node: its connections can be cut, slowed down or held. */
export interface Link {
  readonly port: number;
  /** Breaks every connection there is. */
  cut(): void;
  /** Lets each byte take so long, in either direction; 0 ends it. */
  delay(ms: number): void;
  close(): Promise<void>;
}

/** Opens a link to a port of this machine. */
export async function openLink(targetPort: number): Promise<Link> {
  const sockets = new Set<Socket>();
  let delayMs = 0;
  const late = () =>
    new Transform({
      transform: (chunk: Buffer, _encoding, done) => void (delayMs === 0 ? done(null, chunk) : setTimeout(done, delayMs, null, chunk)),
    });
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(late()).pipe(other);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    delay: (ms) => void (delayMs = ms),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}
