import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '#lib/server/db.ts';
import { readiness } from '#lib/server/features/check-health.ts';
import { missingQueues } from '#lib/server/stores/health.ts';
import { GET as getMetrics } from '../../src/routes/metrics/+server.ts';
import { GET as getReadyz } from '../../src/routes/readyz/+server.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

const TOKEN = 'a-token-for-scrapers';
let env: TestEnvironment;
beforeAll(async () => {
  process.env.METRICS_TOKEN = TOKEN;
  env = await openEnvironment();
});
afterAll(() => env.close());

describe('readiness', () => {
  it('is there with database, store and queues; names the store while it is away, without its place, and comes back with it', async () => {
    const ready = await getReadyz();
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready', checks: { database: 'ok', store: 'ok', queues: 'ok' } }]);
    const store = path.join(env.dataDir, 'store');
    await rm(store, { recursive: true, force: true });
    await writeFile(store, 'not a folder');
    const away = await getReadyz();
    expect(away.status).toBe(503);
    const body = (await away.json()) as { checks: Record<string, string> };
    expect(body.checks).toEqual({ database: 'ok', store: 'The object store can’t be reached.', queues: 'ok' });
    await rm(store);
    expect((await getReadyz()).status).toBe(200);
  });

  it('says no within its time when the database is away', async () => {
    const nowhere = connect('postgres://127.0.0.1:1/none', 1);
    const { isReady, checks } = await readiness(nowhere, 300);
    expect(isReady).toBe(false);
    expect(checks).toEqual({
      database: 'The database does not answer.',
      store: 'ok',
      queues: 'The job queues can’t be reached, or have not been made by the migration.',
    });
    await nowhere.end({ timeout: 0 });
  });

  it('knows which queues the migration has not made', async () => {
    expect(await missingQueues(env.sql, ['default', 'nowhere'])).toEqual(['nowhere']);
  });
});

describe('metrics on the public port', () => {
  const get = (authorization?: string) =>
    getMetrics({
      request: new Request('http://localhost/metrics', authorization === undefined ? {} : { headers: { authorization } }),
    } as never);

  it('are refused to strangers', async () => {
    await expect(get()).rejects.toMatchObject({ status: 401 });
    await expect(get('Bearer something else')).rejects.toMatchObject({ status: 401 });
  });

  it('tell whoever has the token of queues, pool and database', async () => {
    const text = await (await get(`Bearer ${TOKEN}`)).text();
    expect(text).toContain('heaters_queue_jobs{queue="exports",state="ready"} 0');
    expect(text).toContain('heaters_pool_machines{pool="media",state="ready"} 0');
    expect(text).toMatch(/^heaters_database_up 1$/m);
  });
});
