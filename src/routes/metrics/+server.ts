import { createHash, timingSafeEqual } from 'node:crypto';
import { error } from '@sveltejs/kit';
import { config } from '#lib/server/config.ts';
import { db } from '#lib/server/db.ts';
import { readMetrics } from '#lib/server/features/read-metrics.ts';
import { METRICS_TYPE } from '#lib/server/telemetry/metrics.ts';
import type { RequestHandler } from './$types';

const digest = (text: string) => createHash('sha256').update(text).digest();

/** This web node's metrics, for whoever shows `METRICS_TOKEN`. Where none is set there is nothing here: see `METRICS_PORT`. */
export const GET: RequestHandler = async ({ request }) => {
  const { metricsToken } = config();
  if (metricsToken === null) error(404, 'Metrics are not served here: set METRICS_TOKEN, or METRICS_PORT for a private network.');
  const given = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
  if (!timingSafeEqual(digest(given), digest(metricsToken))) error(401, 'Show the token of METRICS_TOKEN.');
  return new Response(await readMetrics(db()), { headers: { 'content-type': METRICS_TYPE, 'cache-control': 'no-store' } });
};
