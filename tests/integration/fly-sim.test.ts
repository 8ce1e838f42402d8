import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { ManualClock, type Clock } from '../support/fly-sim/clock.ts';
import type { FaultInput } from '../support/fly-sim/faults.ts';
import type { present } from '../support/fly-sim/machine.ts';
import { processMark } from '../support/fly-sim/processes.ts';
import type { SimulatorOptions } from '../support/fly-sim/options.ts';
import { startFlySimulator, type FlySimulator } from '../support/fly-sim/simulator.ts';

type Shown = ReturnType<typeof present> & { nonce?: string };
const folder = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'fly-sim-'));
const running: FlySimulator[] = [];
let sim: FlySimulator;
/** What the machines of the present simulator print; the same seed gives the same ids, so each has a folder of its own. */
let logFolder: string;
afterEach(async () => {
  await Promise.all(running.splice(0).map((simulator) => simulator.close()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function open(options: SimulatorOptions & { clock?: Clock } = {}): Promise<FlySimulator> {
  logFolder = mkdtempSync(path.join(folder, 'logs-'));
  sim = await startFlySimulator({
    ...{ rateLimits: false, bootDelayMs: [1, 5], logFolder, images: { sleeper: { cwd: folder, command: ['sleep', '60'] } } },
    ...options,
  });
  running.push(sim);
  return sim;
}

async function call<T = { error: string; status?: string }>(method: string, route: string, body?: unknown, headers = {}) {
  const response = await fetch(`${sim.origin}${route}`, {
    method,
    headers: { authorization: `Bearer ${sim.token}`, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { code: response.status, body: (text === '' ? undefined : JSON.parse(text)) as T };
}
const MACHINES = '/v1/apps/app/machines';
const sh = (script: string) => ({ init: { exec: ['sh', '-c', script] } });
const once = { restart: { policy: 'no' } };
const post = (config: object = {}, rest: object = {}) =>
  call<Shown>('POST', MACHINES, { ...rest, config: { image: 'sleeper', ...config } });
const get = async (id: string) => (await call<Shown>('GET', `${MACHINES}/${id}`)).body;
const list = async (query = '') => (await call<Shown[]>('GET', `${MACHINES}${query}`)).body.map(({ id }) => id);
const wait = ({ id, instance_id }: Shown, state: string) =>
  call('GET', `${MACHINES}/${id}/wait?state=${state}&instance_id=${instance_id}&timeout=20`);
async function started(config: object = {}, rest: object = {}): Promise<Shown> {
  const { body } = await post(config, rest);
  expect((await wait(body, 'started')).code).toBe(200);
  return body;
}
const exitOf = async (id: string) => (await get(id)).events.find(({ type }) => type === 'exit')?.request?.exit_event;
const printed = (id: string, text: string) =>
  vi.waitFor(() => expect(readFileSync(path.join(logFolder, `${id}.log`), 'utf8')).toContain(text), { timeout: 10_000, interval: 10 });

describe('states', () => {
  it('goes from created to started, stopped, started and destroyed, and stays readable', async () => {
    await open();
    const { code, body: machine } = await post();
    expect([code, machine.state]).toEqual([200, 'created']);
    await wait(machine, 'started');
    expect(sim.counts()).toMatchObject({ alive: 1, existing: 1 });
    expect((await call('DELETE', `${MACHINES}/${machine.id}`)).code).toBe(412);
    expect((await call('POST', `${MACHINES}/${machine.id}/stop`)).code).toBe(200);
    await wait(machine, 'stopped');
    expect(await exitOf(machine.id)).toMatchObject({ exit_code: 130, guest_signal: 2, requested_stop: true, oom_killed: false });
    expect((await call('POST', `${MACHINES}/${machine.id}/start`)).body).toMatchObject({ previous_state: 'stopped' });
    await wait(machine, 'started');
    expect((await call('DELETE', `${MACHINES}/${machine.id}?force=true`)).code).toBe(200);
    await wait(machine, 'destroyed');
    const { state, events } = await get(machine.id);
    expect(state).toBe('destroyed');
    expect(events.map(({ type }) => type)).toEqual(['destroy', 'exit', 'start', 'exit', 'start', 'launch']);
    expect((await call('GET', `${MACHINES}/${machine.id}/events`)).body).toEqual(events);
    expect([await list(), await list('?include_deleted=true')]).toEqual([[], [machine.id]]);
    expect((await call('GET', `${MACHINES}/00000000000000`)).code).toBe(404);
    expect(sim.counts()).toMatchObject({ alive: 0, maxAlive: 1 });
    expect(sim.counts().startedSeconds[machine.id]).toBeGreaterThan(0);
  });

  it.each([
    ['no, exit 0', { ...once, ...sh('exit 0') }, 'stopped', [0]],
    ['no, exit 3', { ...once, ...sh('exit 3') }, 'stopped', [3]],
    ['auto_destroy after exit 3', { ...once, auto_destroy: true, ...sh('exit 3') }, 'destroyed', [3]],
    ['on-failure, exit 0', sh('exit 0'), 'stopped', [0]],
    ['on-failure, twice again', { restart: { policy: 'on-failure', max_retries: 2 }, ...sh('exit 4') }, 'stopped', [4, 4, 4]],
    ['no such program', { ...once, init: { exec: ['no-such-program'] } }, 'stopped', [127]],
  ])('restart policy: %s', async (_, config, state, exitCodes) => {
    await open();
    const { body } = await post(config);
    await wait(body, state);
    const { events } = await get(body.id);
    expect(events.flatMap(({ request }) => (request === undefined ? [] : [request.exit_event.exit_code]))).toEqual(exitCodes);
  });

  it('restarts always, even with auto_destroy', async () => {
    await open();
    const { id } = await started({ auto_destroy: true, restart: { policy: 'always' }, ...sh('exit 0') });
    await vi.waitFor(async () => expect((await get(id)).events.filter(({ type }) => type === 'exit').length).toBeGreaterThan(2));
  });

  it('suspends and resumes', async () => {
    await open();
    const machine = await started();
    await call('POST', `${MACHINES}/${machine.id}/suspend`);
    expect((await get(machine.id)).state).toBe('suspended');
    await call('POST', `${MACHINES}/${machine.id}/start`);
    expect((await get(machine.id)).state).toBe('started');
  });
});

describe('processes', () => {
  it('gives the explicit environment, the secrets and FLY_ variables only', async () => {
    await open({ apps: { app: { secrets: { SECRET: 's' } } } });
    const { id } = await started({ ...once, env: { OWN: 'o' }, ...sh('env; echo end') });
    await printed(id, 'end');
    const names = readFileSync(path.join(logFolder, `${id}.log`), 'utf8').match(/^\w+(?==)/gm)!;
    expect(names.filter((name) => !name.startsWith('FLY_') && !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name)).sort()).toEqual([
      'OWN',
      'PATH',
      'SECRET',
    ]);
    expect(readFileSync(path.join(logFolder, `${id}.log`), 'utf8')).toContain(`FLY_MACHINE_ID=${id}`);
  });

  it.each([
    ['the default signal', 'INT', {}, {}],
    ['the signal of the request', 'TERM', {}, { signal: 'SIGTERM' }],
    ['the signal of stop_config', 'USR1', { stop_config: { signal: 'SIGUSR1' } }, {}],
  ])('stops with %s', async (_, trapped, config, body) => {
    await open();
    const machine = await started({ ...sh(`trap 'exit 7' ${trapped}; echo ready; sleep 60 & wait`), ...config });
    await printed(machine.id, 'ready');
    await call('POST', `${MACHINES}/${machine.id}/stop`, body);
    await wait(machine, 'stopped');
    expect(await exitOf(machine.id)).toMatchObject({ exit_code: 7, requested_stop: true });
  });

  it.each([
    ['5 s by default', {}, 5_000],
    ['nanoseconds', { timeout: 2e9 }, 2_000],
    ['a text', { timeout: '1m30s' }, 90_000],
  ])('kills what does not stop: %s', async (_, body, timeoutMs) => {
    const clock = new ManualClock();
    await open({ clock });
    sim.addFault({ kind: 'slow_stop' });
    const { body: machine } = await post();
    clock.advance(5);
    await call('POST', `${MACHINES}/${machine.id}/stop`, body);
    clock.advance(timeoutMs - 1);
    expect([(await get(machine.id)).state, sim.counts().alive]).toEqual(['stopping', 1]);
    clock.advance(1);
    await vi.waitFor(async () => expect((await get(machine.id)).state).toBe('stopped'), { interval: 5 });
    expect(await exitOf(machine.id)).toMatchObject({ exit_code: 137, guest_signal: 9, requested_stop: true });
  });

  it('takes machines over after a restart, and close() kills them', async () => {
    const stateFile = path.join(folder, 'state.json');
    const first = await open({ stateFile });
    const [kept, lost] = [await started(once), await started(once)];
    const pid = first.pidOf(kept.id)!;
    await first.detach();
    running.pop();
    process.kill(first.pidOf(lost.id)!, 'SIGKILL');
    await open({ stateFile });
    await wait(lost, 'stopped');
    expect((await get(kept.id)).state).toBe('started');
    expect([sim.pidOf(kept.id), sim.counts().alive]).toEqual([pid, 1]);
    await call('POST', `${MACHINES}/${kept.id}/stop`);
    await wait(kept, 'stopped');
    const { id } = await started();
    const last = sim.pidOf(id)!;
    await sim.close();
    running.pop();
    expect(processMark(last)).toBeNull();
  });
});

describe('requests', () => {
  it.each([
    ['no token', 'GET', MACHINES, undefined, { authorization: '' }, 401],
    ['no such app', 'GET', '/v1/apps/other/machines', undefined, {}, 404],
    ['no such route', 'GET', '/v1/other', undefined, {}, 404],
    ['no image', 'POST', MACHINES, { config: {} }, {}, 400],
    ['unknown image', 'POST', MACHINES, { config: { image: 'other' } }, {}, 400],
    ['unknown region', 'POST', MACHINES, { region: 'moon', config: { image: 'sleeper' } }, {}, 400],
    ['too much memory', 'POST', MACHINES, { config: { image: 'sleeper', guest: { cpus: 1, memory_mb: 4096 } } }, {}, 422],
  ])('refuses: %s', async (_, method, route, body, headers, code) => {
    await open();
    const answer = await call(method, route, body, headers);
    expect(answer).toEqual({ code, body: { error: expect.any(String) } });
  });

  it('keeps names unique among live machines', async () => {
    await open();
    const { body: machine } = await post({}, { name: 'one' });
    const second = await call('POST', MACHINES, { name: 'one', config: { image: 'sleeper' } });
    expect(second).toMatchObject({ code: 409, body: { error: expect.stringMatching(`already_exists: .*machine ID ${machine.id}`) } });
    await call('DELETE', `${MACHINES}/${machine.id}?force=true`);
    await wait(machine, 'destroyed');
    expect((await post({}, { name: 'one' })).code).toBe(200);
  });

  it('filters the list and keeps metadata', async () => {
    await open();
    const [a, b] = [(await post({ metadata: { pool: 'x' } })).body, (await post({}, { region: 'eu' })).body];
    expect([b.region, await list('?metadata.pool=x'), await list('?region=lhr')]).toEqual(['lhr', [a.id], [b.id]]);
    expect((await call('POST', `${MACHINES}/${b.id}/metadata/pool`, { value: 'x' })).code).toBe(204);
    expect(await list('?metadata.pool=x')).toEqual([a.id, b.id]);
    expect((await call('DELETE', `${MACHINES}/${b.id}/metadata/pool`)).code).toBe(204);
    expect((await call('GET', `${MACHINES}/${b.id}/metadata`)).body).toEqual({});
    expect((await get(b.id)).instance_id).toBe(b.instance_id);
  });

  it('waits: 408, repeated states, bounds, instance_id for stopped', async () => {
    const clock = new ManualClock();
    await open({ clock });
    sim.addFault({ kind: 'stuck_created' });
    const { body } = await post();
    let isAnswered = false;
    const waiting = call('GET', `${MACHINES}/${body.id}/wait?timeout=3`).finally(() => (isAnswered = true));
    await vi.waitUntil(() => (clock.advance(1_000), isAnswered), { interval: 5 });
    expect(await waiting).toMatchObject({
      code: 408,
      body: { error: expect.stringMatching(/^deadline_exceeded: .*, started, currently created$/) },
    });
    const codes = ['state=started&state=created', 'timeout=0', 'timeout=61', 'state=stopped', 'instance_id=other'].map(
      async (query) => (await call('GET', `${MACHINES}/${body.id}/wait?${query}`)).code,
    );
    expect(await Promise.all(codes)).toEqual([200, 400, 400, 400, 409]);
  });

  it('guards changes by the lease until it expires', async () => {
    const clock = new ManualClock();
    await open({ clock });
    const { body: machine } = await post();
    clock.advance(5);
    const lease = `${MACHINES}/${machine.id}/lease`;
    expect((await call('GET', lease)).code).toBe(404);
    const taken = await call<{ data: { nonce: string; owner: string } }>('POST', lease, { ttl: 10 });
    expect(taken).toMatchObject({ code: 201, body: { status: 'success', data: { expires_at: clock.nowMs() / 1000 + 10 - 0.005 } } });
    const stop = `${MACHINES}/${machine.id}/stop`;
    expect(await call('POST', stop)).toMatchObject({ code: 409, body: { error: expect.stringContaining(taken.body.data.owner) } });
    expect((await call('POST', lease)).code).toBe(409);
    const header = { 'fly-machine-lease-nonce': taken.body.data.nonce };
    expect((await call<typeof taken.body>('POST', lease, { ttl: 20 }, header)).body.data.nonce).toBe(taken.body.data.nonce);
    expect((await call('POST', stop, {}, header)).code).toBe(200);
    clock.advance(20_000);
    expect((await call('DELETE', `${MACHINES}/${machine.id}?force=true`)).code).toBe(200);
    expect((await post({}, { lease_ttl: 5 })).body.nonce).toEqual(expect.any(String));
  });

  it('limits each action: 1/s with a burst of 3, GET 5/s with a burst of 10', async () => {
    const clock = new ManualClock();
    await open({ clock, rateLimits: {} });
    const codes = async (count: number, route: string) => {
      const answers = [];
      for (let index = 0; index < count; index += 1) answers.push(await call('GET', route));
      expect(answers.filter(({ code }) => code === 429).map(({ body }) => body.error)).not.toContain(undefined);
      return answers.filter(({ code }) => code !== 429).length;
    };
    const { id } = (await post()).body;
    expect([await codes(5, MACHINES), await codes(12, `${MACHINES}/${id}`)]).toEqual([3, 10]);
    clock.advance(1_000);
    expect([await codes(5, MACHINES), await codes(12, `${MACHINES}/${id}`)]).toEqual([1, 5]);
  });
});

describe('faults', () => {
  it.each<[string, FaultInput, number, object]>([
    ['rate_limited', { kind: 'rate_limited', count: 1 }, 429, { error: 'rate limit exceeded' }],
    ['auth_failure', { kind: 'auth_failure', count: 1 }, 401, {}],
    ['server_error', { kind: 'server_error', status: 503, count: 1 }, 503, {}],
    ['the region is full', { kind: 'no_capacity', region: 'iad', count: 1 }, 422, { status: 'insufficient_capacity' }],
    ['no capacity', { kind: 'no_capacity', refusal: 'no_capacity', count: 1 }, 409, { error: expect.stringContaining('no capacity') }],
    [
      'host full',
      { kind: 'no_capacity', refusal: 'host_full', count: 1 },
      409,
      { error: expect.stringMatching(/^insufficient .* available to fulfill request$/) },
    ],
  ])('refuses a create once: %s', async (_, fault, code, body) => {
    await open();
    expect((await call('POST', '/_sim/faults', fault)).code).toBe(201);
    expect(await post()).toMatchObject({ code, body });
    expect(sim.counts().existing).toBe(0);
    expect((await post()).code).toBe(200);
  });

  it('has room by region, tells of it and falls back along a list', async () => {
    await open({ regions: { iad: { capacity: 1 }, lhr: {} } });
    expect([(await post()).body.region, (await post()).code, (await post({}, { region: 'iad,lhr' })).body.region]).toEqual([
      'iad',
      422,
      'lhr',
    ]);
    expect((await call('GET', '/v1/platform/regions')).body).toMatchObject({
      regions: [
        { code: 'iad', capacity: 0 },
        { code: 'lhr', capacity: 999 },
      ],
    });
  });

  it.each(['hang', 'drop', 'bad_gateway'] as const)('commits and loses the answer: %s', async (mode) => {
    await open();
    sim.addFault({ kind: 'response_lost', action: 'create', mode, count: 1 });
    const answer = fetch(`${sim.origin}${MACHINES}`, {
      ...{ method: 'POST', headers: { authorization: `Bearer ${sim.token}` }, signal: AbortSignal.timeout(300) },
      body: JSON.stringify({ name: 'one', config: { image: 'sleeper' } }),
    });
    expect(await answer.then(({ status }) => status).catch(() => 'none')).toBe(mode === 'bad_gateway' ? 502 : 'none');
    expect(await list()).toHaveLength(1);
  });

  it('holds a machine in created until cleared', async () => {
    await open();
    const { id } = sim.addFault({ kind: 'stuck_created', count: 1 });
    const { body: stuck } = await post();
    await started();
    expect((await get(stuck.id)).state).toBe('created');
    expect((await call('DELETE', `/_sim/faults/${id}`)).code).toBe(204);
    expect((await wait(stuck, 'started')).code).toBe(200);
  });

  it.each([
    ['crash', false],
    ['out_of_memory', true],
  ] as const)('kills a machine: %s, named or the next one', async (kind, isOutOfMemory) => {
    await open();
    const named = await started(once);
    sim.addFault({ kind, machineId: named.id });
    sim.addFault({ kind, count: 1 });
    for (const machine of [named, await started(once)]) {
      await wait(machine, 'stopped');
      expect(await exitOf(machine.id)).toMatchObject({ exit_code: 137, oom_killed: isOutOfMemory, requested_stop: false });
    }
  });

  it('cuts a machine off and lets it go on', async () => {
    await open();
    const { id } = await started();
    const state = () => readFileSync(`/proc/${sim.pidOf(id)}/stat`, 'utf8').split(') ')[1]![0];
    const fault = sim.addFault({ kind: 'partition', machineId: id });
    await vi.waitFor(() => expect(state()).toBe('T'), { interval: 5 });
    expect((await get(id)).state).toBe('started');
    sim.clearFaults(fault.id);
    await vi.waitFor(() => expect(state()).toBe('S'), { interval: 5 });
  });

  it('shows an old list, and an old state after the end', async () => {
    await open();
    const machine = await started();
    sim.addFault({ kind: 'stale_list' });
    await call('DELETE', `${MACHINES}/${machine.id}?force=true`);
    await wait(machine, 'destroyed');
    const { body: later } = await post();
    expect(await list()).toEqual([machine.id]);
    sim.clearFaults();
    expect(await list()).toEqual([later.id]);
    sim.addFault({ kind: 'lagging_get', count: 1 });
    expect([(await get(machine.id)).state, (await get(machine.id)).state]).toEqual(['destroying', 'destroyed']);
  });
});
