import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { configOrExit } from './config-or-exit.ts';
import { onParentGone } from './parent.ts';
import type { Config } from '#lib/server/config.ts';
import { closeDb, db } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { securityHeaders } from '#lib/server/security-headers.ts';
import { observeUpload } from '#lib/server/telemetry/observe-upload.ts';
import { serveMetrics } from '#lib/server/telemetry/serve-metrics.ts';
import { startSystemReporter } from '#lib/server/system-reporter.ts';
import { startTracing } from '#lib/server/telemetry/tracing.ts';
import { readMetrics } from '#lib/server/features/read-metrics.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => unknown;

const CLOSE_WITHIN_MS = 5_000;

/** SvelteKit's handler out of the build, or the end of the process when there is none. */
async function loadPages(settings: Config): Promise<Handler> {
  // adapter-node reads its settings from the environment while it is imported. Uploads never
  // reach it, so its bound on bodies may stay small: it holds them in memory.
  process.env.ORIGIN = settings.origin;
  process.env.BODY_SIZE_LIMIT ??= '1M';
  const build = new URL('../../build/handler.js', import.meta.url);
  if (!existsSync(build)) {
    process.stderr.write('The pages have not been built: run `npm run build` first.\n');
    process.exit(1);
  }
  const { handler } = (await import(build.href)) as { handler: Handler };
  return handler;
}

async function main(): Promise<void> {
  const settings = configOrExit();
  const flushTraces = await startTracing('web');
  const pages = await loadPages(settings);
  const [
    { createUploadHandler },
    { Hub },
    { Listener },
    { createCommands },
    door,
    { startPlaybackSweeper },
    { startWork },
    { startQueueWatch },
  ] = await Promise.all([
    import('#lib/server/uploads.ts'),
    import('#lib/server/realtime/hub.ts'),
    import('#lib/server/realtime/listener.ts'),
    import('#lib/server/realtime/commands.ts'),
    import('#lib/server/realtime/authenticate.ts'),
    import('#lib/server/playback-sweeper.ts'),
    import('./work.ts'),
    import('#lib/server/queue-watch.ts'),
  ]);
  const uploads = createUploadHandler();
  const headers = new Map(Object.entries(securityHeaders(settings.origin)));

  const server = createServer((request, response) => {
    response.setHeaders(headers);
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (path === '/uploads' || path.startsWith('/uploads/')) {
      observeUpload(request, response, uploads).catch((error: unknown) => {
        log.error({ err: error }, 'an upload request failed');
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
      return;
    }
    pages(request, response);
  });
  // An upload takes as long as it takes; the headers of a request don't.
  server.requestTimeout = 0;
  server.headersTimeout = 30_000;

  // The two know each other: the hub asks the listener to follow topics, and hears from it.
  const listener = new Listener({
    databaseUrl: settings.databaseUrl,
    sql: db(),
    sink: {
      onEvent: (event) => hub.onEvent(event),
      onSignal: (signal) => hub.onSignal(signal),
      onAccountChanged: (userId) => hub.onAccountChanged(userId),
      onNodeWords: (text) => hub.onNodeWords(text),
      onListeningAgain: () => hub.onListeningAgain(),
    },
  });
  const hub = new Hub({
    httpServer: server,
    origin: settings.origin,
    sql: db(),
    source: listener,
    door,
    commands: createCommands(db()),
  });

  let stopWork: () => Promise<void>;
  try {
    await listener.start();
    await hub.start();
    stopWork = await startWork(settings.jobQueues ?? [], 'web');
  } catch (error) {
    log.fatal({ err: error }, 'the database can’t be reached: check DATABASE_URL');
    process.stderr.write('The database can’t be reached: check DATABASE_URL and that PostgreSQL runs.\n');
    process.exit(1);
  }
  server.on('error', (error: NodeJS.ErrnoException) => {
    const reason = error.code === 'EADDRINUSE' ? 'another program uses it' : error.message;
    process.stderr.write(`Can’t listen on ${settings.host}:${settings.port}: ${reason}. Set PORT to another number.\n`);
    process.exit(1);
  });
  server.listen(settings.port, settings.host, () => {
    log.info({ host: settings.host, port: settings.port, origin: settings.origin }, 'web is listening');
  });

  const stopSweeping = startPlaybackSweeper(db());
  const stopMetrics = serveMetrics(() => readMetrics(db()));
  const stopWatching = startQueueWatch(db());
  const stopReporting = startSystemReporter(db(), {
    ...{ role: 'web', queues: settings.jobQueues ?? [] },
    lagMs: (patienceMs) => listener.lagMs(patienceMs),
  });

  let isClosing = false;
  const close = async (signal: string) => {
    if (isClosing) return;
    isClosing = true;
    log.info({ signal }, 'web is closing');
    setTimeout(() => {
      log.warn('web did not close in time');
      process.exit(0);
    }, settings.drainMs + CLOSE_WITHIN_MS).unref();
    stopSweeping();
    stopMetrics();
    stopWatching();
    const isForgotten = stopReporting();
    // The sockets' clients see the connection end and come back to another process by themselves.
    const worked = stopWork();
    const served = hub.close(2_000);
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 3_000).unref();
    await Promise.all([served, worked, isForgotten]);
    await listener.stop();
    await Promise.all([closeDb(), flushTraces()]);
    process.exit(0);
  };
  process.on('SIGTERM', (signal) => void close(signal));
  process.on('SIGINT', (signal) => void close(signal));
  onParentGone(() => void close('parent gone'));
}

await main();
