import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, type Database } from '#lib/server/db.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

let env: TestEnvironment;
let sql: Database;
beforeAll(async () => {
  env = await openEnvironment();
  sql = connect(process.env.DATABASE_URL!, 3);
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await env.close();
});

const backendPid = async (tx: Pick<Database, 'unsafe'>) => (await tx.unsafe<{ pid: number }[]>('select pg_backend_pid() as pid'))[0]!.pid;
const terminate = (pid: number) => env.sql`select pg_terminate_backend(${pid})`;

it('a transaction whose connection is closed under it fails, and later queries work', async () => {
  for (let round = 0; round < 30; round += 1) {
    const transaction = sql.begin(async (tx) => {
      await terminate(await backendPid(tx));
      // Asked for in each state of a connection that is going away.
      for (let turn = 0; turn < round; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await tx`select 1`;
      await tx`select 2`;
    });
    await expect(transaction).rejects.toThrow(/CONNECTION_|terminating connection|ECONNRESET/);
  }
  expect(await backendPid(sql)).toBeGreaterThan(0);
});

it('many queries survive that all connections are cut again and again', async () => {
  let answered = 0;
  let isOver = false;
  const asking = Array.from({ length: 6 }, async () => {
    while (!isOver) {
      await sql`select pg_sleep(0.001)`.then(
        () => (answered += 1),
        () => new Promise((resolve) => setTimeout(resolve, 5)),
      );
    }
  });
  for (let cut = 0; cut < 20; cut += 1) {
    const before = answered;
    await env.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'heaters' and pid <> pg_backend_pid()`.catch(() => undefined);
    await expect.poll(() => answered, { timeout: 10_000, interval: 5 }).toBeGreaterThan(before);
  }
  isOver = true;
  await Promise.all(asking);
});
