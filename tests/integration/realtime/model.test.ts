import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { addMember } from '#lib/server/features/join-session.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { createSession } from '#lib/server/features/run-session.ts';
import type { SocketUser } from '#lib/server/realtime/rooms.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { expectSessionHolds } from '../../support/session-checks.ts';
import { SessionScreen, STEP_KINDS, type ScreenLine, type ScreenStep } from '../../support/session-screen.ts';
import { startWebNode, type WebNode } from '../../support/web-node.ts';

const FRAME_COUNT = 80;
const PEOPLE = 4;
let env: TestEnvironment;
let nodes: WebNode[];
let host: Actor;
let actors: Actor[];
let screens: SessionScreen[] = [];
/** Decisions taken in all runs. */
let taken = 0;
const people = new Map<string, SocketUser>();

beforeAll(async () => {
  env = await openEnvironment();
  actors = [];
  for (const name of ['Ann', 'Bob', 'Cleo', 'Dan']) actors.push(await env.addPerson(name, 'reviewer'));
  host = actors[0]!;
  for (const actor of actors) people.set(actor.name, { ...actor, sessionId: `s-${actor.name}` });
  const start = () => startWebNode({ databaseUrl: process.env.DATABASE_URL!, sql: env.sql, people });
  nodes = [await start(), await start()];
});
afterEach(() => {
  for (const screen of screens) screen.close();
  screens = [];
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await env.close();
});

const ENVIRONMENT_KINDS = ['break-off', 'reopen-page', 'kill-listener'] as const;
interface Step extends Omit<ScreenStep, 'kind'> {
  readonly who: number;
  readonly kind: ScreenStep['kind'] | (typeof ENVIRONMENT_KINDS)[number];
}

/** A step of a person, or of what surrounds them. */
async function take({ who, kind, index, amount }: Step): Promise<void> {
  const screen = screens[who]!;
  if (kind === 'reopen-page') return screen.open(lineOf(screen.actor, nodes[amount % nodes.length]!));
  if (kind !== 'kill-listener') return screen.act({ kind, index, amount });
  await env.sql`
    select pg_terminate_backend(pid) from (select pid from pg_stat_activity
      where datname = current_database() and query ilike 'listen %' order by pid offset ${amount % 2} limit 1) one`;
}

const lineOf = (actor: Actor, node: WebNode): ScreenLine => ({ url: node.url, cookie: actor.name });

async function play(batches: readonly (readonly Step[])[], videoCount: number): Promise<void> {
  const videoIds: number[] = [];
  for (let index = 0; index < videoCount; index += 1) videoIds.push(await env.addVideo(host, FRAME_COUNT, [20, 50]));
  const made = await createSession(env.sql, host, {
    ...{ title: 'Model', mode: 'divide', votesNeeded: 1 },
    source: { kind: 'videos', videoIds },
  });
  if (made.kind !== 'ok') throw new Error(made.message);
  const { sessionId } = made;
  for (const { userId } of actors.slice(1)) await addMember(env.sql, host, sessionId, userId, 'reviewer');
  screens = actors.map((actor) => new SessionScreen(actor, { sql: env.sql, sessionId, actors }));
  await Promise.all(screens.map((screen, index) => screen.open(lineOf(screen.actor, nodes[index % nodes.length]!))));

  for (const batch of batches) await Promise.all(batch.map(take));

  taken += await expectSessionHolds(env.sql, sessionId, screens);
  expect(screens.flatMap((screen) => screen.acknowledged).filter(({ kind }) => kind === 'unreachable')).toEqual([]);
  for (const screen of screens) screen.close();
}

describe('whatever four people on two nodes do at once, with connections lost', () => {
  test('each screen shows what the database holds, and each decision is taken once', async () => {
    const step: fc.Arbitrary<Step> = fc.record({
      who: fc.nat(PEOPLE - 1),
      kind: fc.constantFrom(...STEP_KINDS, ...ENVIRONMENT_KINDS),
      index: fc.nat(11),
      amount: fc.nat(59),
    });
    const batches = fc.array(fc.array(step, { minLength: 3, maxLength: 8 }), { minLength: 6, maxLength: 12 });
    await fc.assert(fc.asyncProperty(batches, fc.constantFrom(1, 2), play), {
      numRuns: Number(process.env.MODEL_RUNS ?? 40),
      endOnFailure: true,
    });
    expect(taken).toBeGreaterThan(50);
  }, 300_000);
});
