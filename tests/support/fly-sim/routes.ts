import * as v from 'valibot';
import { ApiError } from './api-error.ts';
import type { Faults } from './faults.ts';
import { capacityError, type Fleet } from './fleet.ts';
import { present, type Lease, type Machine, type MachineState } from './machine.ts';
import type { Action } from './options.ts';
import { CreateSchema, LeaseSchema, MetadataSchema, SignalSchema, StopSchema } from './schemas.ts';

/** A request once its route is known. */
export interface Call {
  readonly app: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly nonce: string | undefined;
  readonly machine: Machine | undefined;
}
/** What a handler answers; `undefined` as body sends none. */
export interface Answer {
  readonly code: number;
  readonly body?: unknown;
}
export interface Route {
  readonly method: string;
  readonly pattern: URLPattern;
  readonly action: Action;
  handle(call: Call): Answer | Promise<Answer>;
}

const WaitQuery = v.pipe(v.string(), v.regex(/^\d+s?$/), v.transform(Number.parseInt), v.minValue(1), v.maxValue(60));
const ok = (body: unknown): Answer => ({ code: 200, body });
const leaseBody = (lease: Lease, machine: Machine) => ({
  status: 'success',
  data: {
    ...{ nonce: lease.nonce, owner: lease.owner, description: lease.description },
    ...{ expires_at: Math.floor(lease.expiresAtMs / 1000), version: machine.instanceId },
  },
});

/** The routes of the API below `/v1`. `staleList` gives the list of a time past while a fault asks for it. */
export function createRoutes(fleet: Fleet, faults: Faults, staleList: (app: string) => Machine[] | undefined): Route[] {
  const route = (spec: string, action: Action, handle: Route['handle']): Route => {
    const [method, path] = spec.split(' ') as [string, string];
    return { method, action, handle, pattern: new URLPattern({ pathname: `/v1${path.replace('MACHINE', '/apps/:app/machines/:id')}` }) };
  };
  /** A route that the lease guards. */
  const change = (spec: string, action: Action, handle: (machine: Machine, call: Call) => Answer) =>
    route(spec, action, (call) => {
      fleet.guard(call.machine!, call.nonce);
      return handle(call.machine!, call);
    });

  return [
    route('POST /apps/:app/machines', 'create', ({ app, body }) => {
      const machine = fleet.create(app, v.parse(CreateSchema, body));
      return ok({ ...present(machine), ...(machine.lease === null ? {} : { nonce: machine.lease.nonce }) });
    }),
    route('GET /apps/:app/machines', 'list', ({ app, query }) => {
      const metadata = [...query].filter(([name]) => name.startsWith('metadata.')).map(([name, value]) => [name.slice(9), value] as const);
      const machines = (staleList(app) ?? fleet.of(app)).filter(
        (machine) =>
          (machine.state !== 'destroyed' || query.get('include_deleted') === 'true') &&
          [null, machine.region].includes(query.get('region')) &&
          metadata.every(([name, value]) => machine.config.metadata[name] === value),
      );
      return ok(machines.map((machine) => present(machine)));
    }),
    route('GET MACHINE', 'get', ({ app, machine }) => {
      const isLagging = machine!.state === 'destroyed' && faults.take('lagging_get', { app, machineId: machine!.id, action: 'get' });
      return ok(present(machine!, isLagging ? 'destroying' : machine!.state));
    }),
    route('GET MACHINE/events', 'events', ({ machine }) => ok(machine!.events)),
    route('GET MACHINE/wait', 'wait', async ({ machine, query }) => {
      const states = query.getAll('state').length > 0 ? query.getAll('state') : ['started'];
      const seconds = v.parse(WaitQuery, query.get('timeout') ?? '60');
      const instance = query.get('instance_id') ?? query.get('version');
      if (states.includes('stopped') && instance === null) throw new ApiError(400, 'instance_id is required to wait for stopped');
      if (instance !== null && instance !== machine!.instanceId) throw new ApiError(409, 'machine version mismatch');
      if (await fleet.waitFor(machine!, states as MachineState[], seconds * 1000)) return ok({ ok: true });
      const text = `machine failed to reach desired state, ${states.join(' or ')}, currently ${machine!.state}`;
      throw new ApiError(408, `deadline_exceeded: ${text}`);
    }),
    change('POST MACHINE/start', 'start', (machine) => {
      const active = faults.take('no_capacity', { app: machine.app, region: machine.region, machineId: machine.id, action: 'start' });
      if (active !== undefined) throw capacityError(active.fault.refusal, [machine.region]);
      const previous_state = machine.state;
      fleet.lifecycle.start(machine);
      return ok({ previous_state, migrated: false, new_host: '' });
    }),
    change('POST MACHINE/stop', 'stop', (machine, { body }) => {
      fleet.lifecycle.stop(machine, v.parse(StopSchema, body ?? {}));
      return ok({ ok: true });
    }),
    change('POST MACHINE/suspend', 'suspend', (machine) => {
      fleet.lifecycle.suspend(machine);
      return ok({ ok: true });
    }),
    change('POST MACHINE/signal', 'signal', (machine, { body }) => {
      fleet.lifecycle.signal(machine, v.parse(SignalSchema, body).signal);
      return ok({ ok: true });
    }),
    change('DELETE MACHINE', 'delete', (machine, { query }) => {
      fleet.lifecycle.destroy(machine, query.get('force') === 'true' || query.get('kill') === 'true');
      return ok({ ok: true });
    }),
    route('POST MACHINE/lease', 'lease', ({ machine, body, query, nonce }) => {
      const { ttl = Number(query.get('ttl') ?? 30), description } = v.parse(LeaseSchema, body ?? {});
      return { code: 201, body: leaseBody(fleet.lease(machine!, ttl, description, nonce), machine!) };
    }),
    route('GET MACHINE/lease', 'lease', ({ machine }) => {
      const lease = fleet.leaseOf(machine!);
      if (lease === null) throw new ApiError(404, 'lease not found');
      return ok(leaseBody(lease, machine!));
    }),
    change('DELETE MACHINE/lease', 'lease', (machine) => {
      machine.lease = null;
      return ok({ ok: true });
    }),
    route('GET MACHINE/metadata', 'metadata', ({ machine }) => ok(machine!.config.metadata)),
    change('POST MACHINE/metadata/:key', 'metadata', (machine, { key, body }) => {
      machine.config.metadata[key] = v.parse(MetadataSchema, body).value;
      return { code: 204 };
    }),
    change('DELETE MACHINE/metadata/:key', 'metadata', (machine, { key }) => {
      delete machine.config.metadata[key];
      return { code: 204 };
    }),
    route('GET /platform/regions', 'regions', () => {
      const regions = Object.entries(fleet.capacities()).map(([code, capacity]) => ({ code, name: code, capacity }));
      return ok({ nearest: regions[0]?.code, regions });
    }),
  ];
}
