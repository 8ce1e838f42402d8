import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BootRefused, type MachineSpec } from '#lib/server/pool/backends/backend.ts';
import type { FlyBackend } from '#lib/server/pool/backends/fly.ts';
import type { FlySimulator } from '../../support/fly-sim/simulator.ts';
import { startTestFly, testFlyBackend } from '../../support/pool/fly.ts';

let fly: FlySimulator;
let backend: FlyBackend;
beforeEach(async () => {
  fly = await startTestFly();
  backend = testFlyBackend(fly, { command: ['sleep', '60'] });
});
afterEach(() => fly.close());

const spec = (name: string, changes: Partial<MachineSpec> = {}): MachineSpec => ({
  ...{ name, pool: 'media', mayExist: false, regions: [], image: null, env: { ROLE: 'runner' } },
  ...{ guest: { cpuKind: 'performance', cpus: 2, memoryMb: 4096 } },
  ...changes,
});
const existing = () => fly.counts().existing;

describe('a machine', () => {
  it('is booted in the preferred region, as large as wanted, to be destroyed when it ends', async () => {
    const machine = await backend.boot(spec('one', { regions: ['lhr', 'iad'] }));
    expect(machine).toMatchObject({ name: 'one', region: 'lhr' });
    const response = await fetch(`${fly.origin}/v1/apps/heaters/machines/${machine.id}`, {
      headers: { authorization: `Bearer ${fly.token}` },
    });
    expect((await response.json()) as unknown).toMatchObject({
      config: {
        image: 'heaters:1',
        auto_destroy: true,
        restart: { policy: 'no' },
        guest: { cpu_kind: 'performance', cpus: 2, memory_mb: 4096 },
      },
    });
    expect(await backend.inspect(machine.id)).toEqual({ state: 'alive' });
    await backend.destroy(machine.id);
    await expect.poll(() => backend.inspect(machine.id)).toEqual({ state: 'gone', failure: null });
  });

  it('goes to the next region when one is full, and is refused when all are', async () => {
    fly.addFault({ kind: 'no_capacity', region: 'iad' });
    expect((await backend.boot(spec('one'))).region).toBe('lhr');
    fly.addFault({ kind: 'no_capacity', region: 'lhr', refusal: 'host_full' });
    await expect(backend.boot(spec('two'))).rejects.toThrow(new BootRefused('there is no room in iad, lhr'));
    expect(existing()).toBe(1);
  });

  it.each(['hang', 'drop', 'bad_gateway'] as const)('whose answer is lost (%s) is found by its name, not made twice', async (mode) => {
    backend = testFlyBackend(fly, { timeoutMs: 300, command: ['sleep', '60'] });
    fly.addFault({ kind: 'response_lost', action: 'create', mode, count: 1 });
    const machine = await backend.boot(spec('one'));
    expect(machine.name).toBe('one');
    expect(fly.counts().maxExisting).toBe(1);
  });

  it('is adopted when the name is taken, also when the list does not show it yet', async () => {
    fly.addFault({ kind: 'stale_list' });
    const first = await backend.boot(spec('one'));
    expect((await backend.boot(spec('one'))).id).toBe(first.id);
    fly.addFault({ kind: 'response_lost', action: 'create', mode: 'drop', count: 1 });
    expect((await backend.boot(spec('two'))).name).toBe('two');
    expect(existing()).toBe(2);
  });

  it('that may have been asked for before is looked for first', async () => {
    const first = await backend.boot(spec('one'));
    fly.addFault({ kind: 'server_error', action: 'create' });
    expect((await backend.boot(spec('one', { mayExist: true }))).id).toBe(first.id);
  });

  it('is asked for again after a limit and after a 500 that did nothing', async () => {
    fly.addFault({ kind: 'rate_limited', action: 'create', count: 2 });
    fly.addFault({ kind: 'server_error', action: 'create', count: 1 });
    await backend.boot(spec('one'));
    expect(fly.counts().maxExisting).toBe(1);
  });

  it('is refused for a wrong token, an unknown image and a name that is not ours, and no error tells the token', async () => {
    const wrong = testFlyBackend(fly, { token: 'wrong-token' });
    const refusal = await wrong.boot(spec('one')).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(BootRefused);
    expect(String(refusal)).not.toContain('wrong-token');
    await expect(backend.boot(spec('one', { regions: ['nowhere'] }))).rejects.toThrow('invalid region');
    expect(existing()).toBe(0);
  });

  it('that ends tells why', async () => {
    for (const [fault, failure] of [
      [{ kind: 'out_of_memory' }, 'out of memory'],
      [{ kind: 'crash' }, 'killed by signal 9'],
    ] as const) {
      const machine = await backend.boot(spec(`ends by ${fault.kind}`.replaceAll(/\W/g, '-')));
      await expect.poll(() => fly.pidOf(machine.id)).not.toBeNull();
      fly.addFault({ ...fault, machineId: machine.id });
      await expect.poll(() => backend.inspect(machine.id)).toEqual({ state: 'gone', failure });
    }
  });

  it('is listed while it lives, and only for its own deployment', async () => {
    const machine = await backend.boot(spec('one'));
    expect(await backend.list()).toMatchObject([{ id: machine.id, name: 'one' }]);
    await backend.destroy(machine.id);
    await expect.poll(() => backend.list()).toEqual([]);
  });
});
