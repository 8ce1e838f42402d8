import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { SimulatorOptions } from '../support/fly-sim/options.ts';
import { startFlySimulator, type FlySimulator } from '../support/fly-sim/simulator.ts';

interface MachineEvent {
  readonly type: string;
  readonly request?: { readonly exit_event: unknown };
}
/** Whatever the API answers: a machine, a lease or an error, or a list of machines or events. */
type Body = {
  id: string;
  name: string;
  state: string;
  region: string;
  instance_id: string;
  error: string;
  data: { nonce: string };
} & (MachineEvent & {
  region: string;
})[];

// The simulator is held against what is known of the Machines API, not against those who use it.
let fly: FlySimulator;
afterEach(() => fly.close());

const start = async (options: SimulatorOptions = {}) => {
  fly = await startFlySimulator({
    apps: { app: { secrets: { SECRET: 'of the app' } }, other: {} },
    images: { 'image:1': { cwd: os.tmpdir(), command: ['sleep', '60'] } },
    ...{ bootDelayMs: [10, 30], rateLimits: false, ...options },
  });
};
const ask = async (method: string, route: string, body?: unknown, headers: Record<string, string> = {}) => {
  const response = await fetch(`${fly.origin}/v1/apps/app/machines${route}`, {
    method,
    headers: { authorization: `Bearer ${fly.token}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as Body };
};
const create = (config: object = {}, rest: object = {}) => ask('POST', '', { config: { image: 'image:1', ...config }, ...rest });
const shell = (script: string, config: object = {}) =>
  create({ init: { exec: ['sh', '-c', script] }, restart: { policy: 'no' }, ...config });
const waitFor = (id: string, state: string) => ask('GET', `/${id}/wait?state=${state}&timeout=10`);
const becomes = (id: string, state: string) =>
  expect.poll(async () => (await ask('GET', `/${id}`)).body.state, { timeout: 10_000 }).toBe(state);
const exitOf = async (id: string) => (await ask('GET', `/${id}/events`)).body.find((event) => event.type === 'exit')?.request?.exit_event;

describe('a machine', () => {
  it('is created, starts as a real process, and can be waited for', async () => {
    await start();
    const created = await create({ metadata: { role: 'runner' } }, { name: 'one', region: 'lhr' });
    expect(created).toMatchObject({
      status: 200,
      body: { name: 'one', region: 'lhr', state: 'created', events: [{ type: 'launch', status: 'created' }] },
    });
    expect((await waitFor(created.body.id, 'started')).body).toEqual({ ok: true });
    expect(process.kill(fly.pidOf(created.body.id)!, 0)).toBe(true);
    expect(fly.counts()).toMatchObject({ alive: 1, existing: 1 });
    const late = await ask('GET', `/${created.body.id}/wait?state=stopped&timeout=1&instance_id=${created.body.instance_id}`);
    expect(late).toMatchObject({ status: 408, body: { error: expect.stringContaining('deadline_exceeded') } });
    expect((await ask('GET', `/${created.body.id}/wait?state=stopped`)).status).toBe(400);
  });

  it('has its environment, the app secrets unless they are left out, and nothing of ours', async () => {
    await start({ logFolder: mkdtempSync(path.join(os.tmpdir(), 'fly-sim-')) });
    process.env.OURS = 'must not leak';
    const script = '[ "$OWN$SECRET$OURS$FLY_APP_NAME" = "$WANTED" ]';
    const withSecrets = await shell(script, { env: { OWN: 'own ', WANTED: 'own of the appapp' } });
    const without = await ask('POST', '', {
      skip_secrets: true,
      config: {
        image: 'image:1',
        init: { exec: ['sh', '-c', script] },
        restart: { policy: 'no' },
        env: { OWN: 'own ', WANTED: 'own app' },
      },
    });
    for (const machine of [withSecrets, without]) {
      await becomes(machine.body.id, 'stopped');
      expect(await exitOf(machine.body.id)).toMatchObject({ exit_code: 0, requested_stop: false, oom_killed: false });
    }
    delete process.env.OURS;
  });

  it('with auto_destroy is destroyed when it ends, also by a non-zero code, and stays readable', async () => {
    await start();
    const { id } = (await shell('exit 7', { auto_destroy: true })).body;
    await becomes(id, 'destroyed');
    const types = (await ask('GET', `/${id}/events`)).body.map((event) => event.type);
    expect(types).toEqual(['destroy', 'exit', 'start', 'launch']);
    expect(await exitOf(id)).toMatchObject({ exit_code: 7, guest_exit_code: 7 });
    expect((await ask('GET', '')).body).toEqual([]);
    expect((await ask('GET', '?include_deleted=true')).body).toHaveLength(1);
    expect((await ask('GET', '/0123456789abcd')).status).toBe(404);
  });

  it('with the policy on-failure starts again', async () => {
    await start();
    const { id } = (await shell('exit 1', { restart: { policy: 'on-failure', max_retries: 2 }, auto_destroy: true })).body;
    await becomes(id, 'stopped');
    expect((await ask('GET', `/${id}/events`)).body.filter((event) => event.type === 'start')).toHaveLength(3);
  });

  it('is asked to stop by SIGINT, and killed when it does not', async () => {
    await start();
    const deaf = (await shell('trap "" INT; while true; do sleep 0.05; done')).body.id;
    const kind = (await shell('trap "exit 0" INT; while true; do sleep 0.05; done')).body.id;
    for (const id of [deaf, kind]) await waitFor(id, 'started');
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (const id of [deaf, kind]) expect((await ask('POST', `/${id}/stop`, { timeout: '400ms' })).status).toBe(200);
    for (const id of [deaf, kind]) await becomes(id, 'stopped');
    expect(await exitOf(deaf)).toMatchObject({ guest_signal: 9, requested_stop: true });
    expect(await exitOf(kind)).toMatchObject({ exit_code: 0, requested_stop: true });
  });

  it('is destroyed only when stopped or forced, with all its processes', async () => {
    await start();
    const { id } = (await shell('sleep 60 & sleep 60')).body;
    await waitFor(id, 'started');
    expect((await ask('DELETE', `/${id}`)).status).toBe(412);
    expect((await ask('DELETE', `/${id}?force=true`)).status).toBe(200);
    await becomes(id, 'destroyed');
    expect(fly.counts().alive).toBe(0);
  });

  it('keeps its name to itself while it lives', async () => {
    await start();
    const { id } = (await create({}, { name: 'taken' })).body;
    const second = await create({}, { name: 'taken' });
    expect(second).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining(`unique machine name violation, machine ID ${id}`) },
    });
    await ask('DELETE', `/${id}?force=true`);
    await becomes(id, 'destroyed');
    expect((await create({}, { name: 'taken' })).status).toBe(200);
  });

  it('is found by its metadata and region', async () => {
    await start();
    await create({ metadata: { role: 'runner' } }, { region: 'lhr' });
    const { id } = (await create({ metadata: { role: 'web' } })).body;
    const found = async (query: string) => (await ask('GET', `?${query}`)).body.map((machine) => machine.region);
    expect(await found('metadata.role=runner')).toEqual(['lhr']);
    expect(await found('region=iad')).toEqual(['iad']);
    expect((await ask('POST', `/${id}/metadata/role`, { value: 'runner' })).status).toBe(204);
    expect(await found('metadata.role=runner')).toEqual(['lhr', 'iad']);
  });

  it('under a lease is changed only by who holds it', async () => {
    await start();
    const { id } = (await create()).body;
    await waitFor(id, 'started');
    const lease = await ask('POST', `/${id}/lease`, { ttl: 30 });
    expect(lease.status).toBe(201);
    expect((await ask('POST', `/${id}/stop`)).status).toBe(409);
    const nonce = { 'fly-machine-lease-nonce': lease.body.data.nonce };
    expect((await ask('POST', `/${id}/stop`, undefined, nonce)).status).toBe(200);
    expect((await ask('DELETE', `/${id}/lease`, undefined, nonce)).status).toBe(200);
    expect((await ask('GET', `/${id}/lease`)).status).toBe(404);
  });
});

describe('the API', () => {
  it('asks for its token, knows its apps, and refuses what it can’t read', async () => {
    await start();
    expect((await ask('GET', '', undefined, { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await fetch(`${fly.origin}/v1/apps/nobody/machines`, { headers: { authorization: `Bearer ${fly.token}` } })).status).toBe(404);
    expect((await create({ image: 'unknown:1' })).status).toBe(400);
    expect((await create({}, { region: 'nowhere' })).status).toBe(400);
    expect((await ask('POST', '', { config: {} })).status).toBe(400);
  });

  it('limits one action to a burst of three', async () => {
    await start({ rateLimits: {} });
    const answers = await Promise.all(Array.from({ length: 5 }, () => create()));
    expect(answers.map((answer) => answer.status).toSorted()).toEqual([200, 200, 200, 429, 429]);
    expect(answers.find((answer) => answer.status === 429)?.body).toEqual({ error: expect.stringContaining('rate limit exceeded') });
  });

  it('has room for so many in a region, and takes the next of a list', async () => {
    await start({ regions: { iad: { capacity: 1 }, lhr: {} } });
    await create({}, { region: 'iad' });
    expect(await create({}, { region: 'iad' })).toMatchObject({ status: 422, body: { status: 'insufficient_capacity' } });
    expect((await create({}, { region: 'iad,lhr' })).body.region).toBe('lhr');
    const regions = await fetch(`${fly.origin}/v1/platform/regions`, { headers: { authorization: `Bearer ${fly.token}` } });
    expect((await regions.json()) as unknown).toMatchObject({ regions: [{ code: 'iad', capacity: 0 }, { code: 'lhr' }] });
  });
});

describe('a fault', () => {
  it('asked for over HTTP strikes as often as said', async () => {
    await start();
    const added = await fetch(`${fly.origin}/_sim/faults`, {
      method: 'POST',
      body: JSON.stringify({ kind: 'server_error', status: 503, count: 2 }),
    });
    expect(added.status).toBe(201);
    expect([(await ask('GET', '')).status, (await ask('GET', '')).status, (await ask('GET', '')).status]).toEqual([503, 503, 200]);
  });

  it('can lose the answer of what was done', async () => {
    await start();
    fly.addFault({ kind: 'response_lost', action: 'create', mode: 'drop', count: 1 });
    await expect(create({}, { name: 'done' })).rejects.toThrow();
    expect((await ask('GET', '')).body).toMatchObject([{ name: 'done' }]);
  });

  it('can keep a machine in created, stop it in its tracks, kill it, and starve it of memory', async () => {
    await start();
    fly.addFault({ kind: 'stuck_created', count: 1 });
    const stuck = (await create()).body.id;
    const { id } = (await create({ restart: { policy: 'no' }, auto_destroy: true })).body;
    await waitFor(id, 'started');
    expect((await ask('GET', `/${stuck}`)).body.state).toBe('created');
    fly.clearFaults();
    await becomes(stuck, 'started');

    fly.addFault({ kind: 'partition', machineId: stuck });
    await expect.poll(async () => (await import('node:fs')).readFileSync(`/proc/${fly.pidOf(stuck)!}/stat`, 'utf8')).toContain(') T ');
    fly.addFault({ kind: 'out_of_memory', machineId: id });
    await becomes(id, 'destroyed');
    expect(await exitOf(id)).toMatchObject({ exit_code: 137, oom_killed: true });
  });

  it('can make the list lag behind', async () => {
    await start();
    fly.addFault({ kind: 'stale_list' });
    const { id } = (await create()).body;
    expect((await ask('GET', '')).body).toEqual([]);
    expect((await ask('GET', `/${id}`)).status).toBe(200);
  });
});

it('a simulator that comes back takes over the machines of its state file', async () => {
  const stateFile = path.join(mkdtempSync(path.join(os.tmpdir(), 'fly-sim-')), 'state.json');
  await start({ stateFile });
  const { id } = (await create({ auto_destroy: true, restart: { policy: 'no' } })).body;
  await waitFor(id, 'started');
  const pid = fly.pidOf(id)!;
  await fly.detach();
  expect(process.kill(pid, 0)).toBe(true);
  await start({ stateFile });
  expect((await ask('GET', `/${id}`)).body.state).toBe('started');
  expect(fly.pidOf(id)).toBe(pid);
  process.kill(-pid, 'SIGKILL');
  await becomes(id, 'destroyed');
});
