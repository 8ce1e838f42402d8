import { fail, type RequestEvent } from '@sveltejs/kit';
import * as v from 'valibot';
import { readForm } from '#lib/server/auth/forms.ts';
import { actorOf, requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import type { Database } from '#lib/server/db.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { changePool, drainMachine, keepWarm, pausePool, stopMachine, type PoolOutcome } from '#lib/server/features/run-pool.ts';
import { poolPage } from '#lib/server/features/watch-pool.ts';
import type { Actions, PageServerLoad } from './$types';

const MOST_MACHINES = 20;

const whole = (what: string, least: number, most: number) =>
  v.pipe(
    v.string(`${what} is missing.`),
    v.regex(/^\d{1,6}$/, `${what} must be a whole number.`),
    v.transform(Number),
    v.minValue(least, `${what} must be at least ${least}.`),
    v.maxValue(most, `${what} can be ${most} at most.`),
  );
const Machine = { runnerId: v.pipe(v.string(), v.regex(/^[1-9]\d{0,14}$/, 'There is no such machine.'), v.transform(Number)) };
const Settings = {
  minMachines: whole('The minimum', 0, MOST_MACHINES),
  maxMachines: whole('The maximum', 0, MOST_MACHINES),
  concurrency: whole('Calls a machine', 1, 16),
  idleSeconds: whole('The idle time', 1, 86_400),
  spendCapUsd: v.union(
    [
      v.pipe(
        v.literal(''),
        v.transform(() => null),
      ),
      v.pipe(v.string(), v.regex(/^\d{1,6}(\.\d{1,2})?$/), v.transform(Number)),
    ],
    'The cap must be dollars, such as 50 or 12.50, or empty for none.',
  ),
  regions: v.pipe(
    v.string(),
    v.transform((text) => text.split(/[\s,]+/).filter((region) => region !== '')),
    v.array(v.pipe(v.string(), v.regex(/^[a-z]{3}$/, 'Regions are three letters each, such as iad, lhr.'))),
    v.maxLength(10, 'Ten regions at most.'),
  ),
};

/** The runner pool as it stands, for admins. */
export const load: PageServerLoad = (event) => {
  requireRole(event, 'admin');
  event.depends('app:pool');
  return poolPage(db());
};

/** Each action asks for the role by itself, and is in the audit log. */
export const actions: Actions = {
  drain: (event) => act(event, Machine, (sql, actor, { runnerId }) => drainMachine(sql, actor, runnerId)),
  stop: (event) => act(event, Machine, (sql, actor, { runnerId }) => stopMachine(sql, actor, runnerId)),
  pause: (event) => act(event, {}, (sql, actor) => pausePool(sql, actor, true)),
  resume: (event) => act(event, {}, (sql, actor) => pausePool(sql, actor, false)),
  warm: (event) => act(event, { minutes: whole('Minutes', 0, 1_440) }, (sql, actor, { minutes }) => keepWarm(sql, actor, minutes)),
  change: (event) =>
    act(event, Settings, async (sql, actor, { idleSeconds, ...settings }) =>
      settings.minMachines > settings.maxMachines
        ? { kind: 'refused', message: 'The minimum can’t be more than the maximum.' }
        : changePool(sql, actor, { ...settings, idleShutdownMs: idleSeconds * 1000 }),
    ),
};

async function act<Entries extends v.ObjectEntries>(
  event: RequestEvent,
  entries: Entries,
  run: (sql: Database, actor: Actor, fields: v.InferOutput<v.ObjectSchema<Entries, undefined>>) => Promise<PoolOutcome>,
) {
  const actor = actorOf(requireRole(event, 'admin'));
  const read = readForm(await event.request.formData(), entries);
  if (read.kind === 'invalid') return fail(400, { error: Object.values(read.errors)[0] ?? 'The form is incomplete.', done: null });
  const outcome = await run(db(), actor, read.fields);
  return outcome.kind === 'refused' ? fail(409, { error: outcome.message, done: null }) : { error: null, done: outcome.message };
}
