import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Database } from '#lib/server/db.ts';
import { createCommands, type Commands } from '#lib/server/realtime/commands.ts';
import { Hub } from '#lib/server/realtime/hub.ts';
import { Listener } from '#lib/server/realtime/listener.ts';
import type { SocketUser } from '#lib/server/realtime/rooms.ts';

/** A web node as the entry wires it, but for the pages and the cookie's meaning. */
export interface WebNode {
  readonly url: string;
  readonly hub: Hub;
  readonly listener: Listener;
  close(): Promise<void>;
}

/** Starts a web node whose people are those of the map, by cookie. */
export async function startWebNode(options: {
  readonly databaseUrl: string;
  readonly sql: Database;
  readonly people: ReadonlyMap<string, SocketUser>;
  readonly commands?: Commands;
  readonly port?: number;
}): Promise<WebNode> {
  const { databaseUrl, sql, people } = options;
  const server: HttpServer = createServer((_request, response) => response.end());
  const listener: Listener = new Listener({
    databaseUrl,
    sql,
    sink: {
      onEvent: (event) => hub.onEvent(event),
      onSignal: (message) => hub.onSignal(message),
      onNodeWords: (text) => hub.onNodeWords(text),
      onListeningAgain: () => hub.onListeningAgain(),
      onAccountChanged: (userId) => hub.onAccountChanged(userId),
    },
  });
  const hub: Hub = new Hub({
    httpServer: server,
    origin: 'https://heaters.example',
    sql,
    source: listener,
    commands: options.commands ?? createCommands(sql),
    door: {
      authenticateHandshake: async (cookie) => people.get(cookie ?? '') ?? null,
      stillValid: async (sessionId) => [...people.values()].find((person) => person.sessionId === sessionId) ?? null,
    },
  });
  await listener.start();
  await hub.start();
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hub,
    listener,
    close: async () => {
      await hub.close(500);
      await listener.stop();
    },
  };
}
