import { createServer } from 'node:http';
import ipaddr from 'ipaddr.js';
import { log } from '#lib/server/log.ts';
import { METRICS_TYPE } from '#lib/server/telemetry/metrics.ts';

/** Ranges of addresses from which a scraper may ask: this machine and private networks, Fly's among them. */
const PRIVATE = new Set(['loopback', 'private', 'uniqueLocal', 'linkLocal', 'carrierGradeNat']);

/**
 * Serves this process's metrics on a port of their own, for scrapers in the private network; nothing else is there, and
 * nobody else is answered. Gives a function that ends it. Where no port is set, nothing is served.
 */
export function serveMetrics(read: () => Promise<string>): () => void {
  const port = Number(process.env.METRICS_PORT ?? 0);
  if (!Number.isInteger(port) || port < 1) return () => undefined;
  const server = createServer((request, response) => {
    if (request.url !== '/metrics' || !isPrivate(request.socket.remoteAddress)) return void response.writeHead(404).end();
    read().then(
      (text) => response.writeHead(200, { 'content-type': METRICS_TYPE }).end(text),
      (error: unknown) => {
        log.warn({ err: error }, 'the metrics could not be read');
        response.writeHead(500).end();
      },
    );
  });
  // A port that is taken is no reason for work to stand still.
  server.on('error', (error) => log.error({ err: error, port }, 'metrics are not served: set METRICS_PORT to a free port'));
  server.listen(port, process.env.METRICS_HOST ?? '127.0.0.1');
  server.unref();
  return () => server.close();
}

function isPrivate(address: string | undefined): boolean {
  return address !== undefined && ipaddr.isValid(address) && PRIVATE.has(ipaddr.process(address).range());
}
