import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { closeDb, connect, type Database } from '#lib/server/db.ts';
import { retryExport, retryVideo } from '#lib/server/features/manage-video.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { insertUser } from '#lib/server/stores/users.ts';
import { SeededRandom } from '../support/fly-sim/random.ts';
import { expectPartition, expectSessionHolds } from '../support/session-checks.ts';
import { troublesOf } from './nemesis.ts';
import { bringFilm, startProducer, startReviewers } from './people.ts';
import { startSystem, untilReady, type System } from './system.ts';
import { describeState, expectExportedOnce, expectNothingLeft, expectNothingStuck } from './verdict.ts';

// A short run with the same seed each time; `npm run chaos` has other seeds and lasts longer.
const SEED = process.env.CHAOS_SEED ?? 'heaters';
const MINUTES = Number(process.env.CHAOS_MINUTES ?? 0.75);
const CALM_MS = 180_000;

let system: System;
let sql: Database;
let admin: Actor;
beforeAll(async () => {
  system = await startSystem();
  Object.assign(process.env, system.s3.environment, {
    ...{ DATABASE_URL: system.databaseUrl, DATA_DIR: system.dataDir, SECRET_KEY_BASE: 'only-for-tests-'.repeat(4) },
  });
  sql = connect(system.databaseUrl, 10);
  const user = await insertUser(sql, { email: 'admin@example.com', name: 'Zoe', role: 'admin', passwordHash: null });
  admin = { userId: user!.id, name: 'Zoe', role: 'admin' };
  // Quick to notice, so that a short run sees machines come and go.
  await sql`update pools set idle_shutdown_ms = 2000, lease_ms = 6000, boot_deadline_ms = 8000`;
  await untilReady(system.links);
}, 120_000);
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.log(await describeState(system, sql));
});
afterAll(async () => {
  await closeDb();
  await sql.end({ timeout: 5 });
  await system.close();
});

const until = <T>(check: () => Promise<T>) => vi.waitFor(check, { timeout: CALM_MS, interval: 500 });

it(
  `whatever fails, nothing that was acknowledged is lost or done twice, and nothing is left behind (seed ${SEED}, ${MINUTES} min)`,
  async () => {
    const random = new SeededRandom(SEED);
    // Each has a sequence of its own: how quick one is does not change what another does.
    const branch = (name: string) => new SeededRandom(`${SEED}/${name}`);
    const sessionFilms = [await bringFilm(system, sql, branch('first'), admin), await bringFilm(system, sql, branch('second'), admin)];
    await until(async () => expect(await statesOf(sessionFilms)).toEqual(['ready', 'ready']));
    const reviewers = await startReviewers(system, sql, branch('reviewers'), sessionFilms);
    const producer = startProducer(system, sql, branch('producer'), admin, Math.ceil(MINUTES * 4));

    const troubles = troublesOf(system, sql, branch('troubles'));
    const survived = new Map<string, number>();
    const underWay = new Set<Promise<unknown>>();
    for (const endMs = Date.now() + MINUTES * 60_000; Date.now() < endMs;) {
      const names = Object.keys(troubles);
      // A short run meets each trouble once, in an order of its own; then they come as they like.
      const fresh = names.filter((name) => !survived.has(name));
      const name = (fresh.length > 0 ? fresh : names)[random.integer(0, (fresh.length || names.length) - 1)]!;
      survived.set(name, (survived.get(name) ?? 0) + 1);
      const trouble = Promise.resolve(troubles[name]!()).catch(() => undefined);
      underWay.add(trouble);
      void trouble.finally(() => underWay.delete(trouble));
      await sleep(random.integer(300, 3_500));
      expect(system.fly.counts().maxExisting, `machines after “${name}”`).toBeLessThanOrEqual(5);
    }

    await Promise.all(underWay);
    system.fly.clearFaults();
    system.s3.proxy.heal();
    await Promise.all([reviewers.stop(), producer.stop()]);
    await untilReady(system.links);

    // What gave up while things were broken says so, and goes through when somebody tries it again.
    const retried = await until(async () => {
      const failed = await sql<{ id: number }[]>`select id from videos where state = 'failed'`;
      for (const { id } of failed) await retryVideo(sql, admin, id);
      const failedExports = await sql<{ id: number }[]>`
        select id from clips where superseded_at is null and state = 'approved' and export_state = 'failed'`;
      for (const { id } of failedExports) await retryExport(sql, admin, id);
      expect(await statesOf(producer.broughtIds)).toEqual(producer.broughtIds.map(() => 'ready'));
      await producer.decideAll();
      expect([...(await unexported())]).toEqual([]);
      return failed.length + failedExports.length;
    });
    const decisions = await expectSessionHolds(sql, reviewers.sessionId, reviewers.screens, 60_000);
    for (const videoId of producer.broughtIds) await expectPartition(sql, videoId);
    const kept = await sql<{ id: string }[]>`select command_id as id from decisions where command_id = any(${[...producer.decided]})`;
    expect(kept.map(({ id }) => id).toSorted()).toEqual([...producer.decided].toSorted());
    const exports = await expectExportedOnce(sql);
    await until(() => expectNothingStuck(sql));
    await until(async () => expect(system.fly.counts()).toMatchObject({ existing: 0, alive: 0 }));
    for (const screen of reviewers.screens) screen.close();
    await system.stopApp();
    await expectNothingLeft(system, sql);

    const lines = [...survived].toSorted().map(([name, count]) => `  ${name} ×${count}`);
    console.log(
      `Seed ${SEED}: survived\n${lines.join('\n')}\nwith ${decisions + producer.decided.size} decisions acknowledged, ` +
        `${producer.broughtIds.length} films, ${exports} exports, ${system.restarts()} processes started again, ${retried} retries by hand.`,
    );
  },
  MINUTES * 60_000 + 6 * CALM_MS,
);

async function statesOf(videoIds: readonly number[]): Promise<string[]> {
  const rows = await sql<{ state: string }[]>`select state from videos where id = any(${[...videoIds]}) order by id`;
  return rows.map(({ state }) => state);
}

function unexported() {
  return sql`
    select c.id, c.export_state, c.export_error from clips c
    where c.superseded_at is null and c.state = 'approved' and c.export_state <> 'exported'`;
}
