import { mkdirSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import * as v from 'valibot';
import { systemClock, type Clock } from './clock.ts';
import { Faults, type ActiveFault, type FaultInput } from './faults.ts';
import { Fleet, type Counts } from './fleet.ts';
import type { Machine } from './machine.ts';
import { OptionsSchema, type SimulatorOptions } from './options.ts';
import { sendSignal } from './processes.ts';
import { createRoutes } from './routes.ts';
import { createHttpServer, type Admin } from './server.ts';

/** A stand-in of the Fly Machines API whose machines are processes of this computer. */
export interface FlySimulator {
  /** Where it listens; the API is below `/v1`. */
  readonly origin: string;
  readonly token: string;
  addFault(fault: FaultInput): ActiveFault;
  /** Clears one fault, or all, and lets go what they held. */
  clearFaults(id?: string): void;
  counts(): Counts;
  /** The machine's process id while it runs. */
  pidOf(machineId: string): number | null;
  /** Stops serving and leaves the machines to the next simulator of the same state file. */
  detach(): Promise<void>;
  /** Kills every machine and forgets them. */
  close(): Promise<void>;
}

/** Starts a simulator; with the state file of an earlier one it takes over that one's machines. */
export async function startFlySimulator(options: SimulatorOptions & { clock?: Clock } = {}): Promise<FlySimulator> {
  const { clock = systemClock, ...given } = options;
  const settings = v.parse(OptionsSchema, given);
  if (settings.logFolder !== undefined) mkdirSync(settings.logFolder, { recursive: true });
  const faults = new Faults();
  const fleet = new Fleet(settings, clock, faults);
  const staleLists = new Map<string, Machine[]>();

  function addFault(input: FaultInput): ActiveFault {
    const active = faults.add(input);
    const { fault, id } = active;
    if (fault.kind === 'stale_list') staleLists.set(id, structuredClone([...fleet.machines.values()]));
    if ((fault.kind === 'crash' || fault.kind === 'out_of_memory' || fault.kind === 'partition') && fault.machineId !== undefined) {
      const machine = fleet.machines.get(fault.machineId);
      active.remaining = 0;
      if (machine !== undefined) clock.after(fault.delayMs, () => fleet.lifecycle.strike(machine, active));
    }
    return active;
  }
  function clearFaults(id?: string): void {
    for (const removed of faults.remove(id)) {
      staleLists.delete(removed.id);
      for (const machine of fleet.machines.values()) fleet.lifecycle.release(machine, removed.id);
    }
  }
  const admin: Admin = (method, path, body) => {
    const [, root, page, id] = path.split('/');
    if (root !== '_sim') return undefined;
    if (page === 'counts' && method === 'GET') return { code: 200, body: fleet.counts() };
    if (page === 'faults' && method === 'GET') return { code: 200, body: faults.list() };
    if (page === 'faults' && method === 'POST') return { code: 201, body: addFault(body as FaultInput) };
    if (page !== 'faults' || method !== 'DELETE') return { code: 404, body: { error: 'not found' } };
    clearFaults(id);
    return { code: 204 };
  };
  const staleList = (app: string) => {
    const active = faults.take('stale_list', { app, action: 'list' });
    return active && staleLists.get(active.id)?.filter((machine) => machine.app === app);
  };

  const server = createHttpServer({ settings, clock, faults, fleet, admin, routes: createRoutes(fleet, faults, staleList) });
  server.listen(settings.port, settings.host);
  await once(server, 'listening');
  const killAll = () => {
    for (const { pid } of fleet.machines.values()) if (pid !== null) sendSignal(pid, 'SIGKILL', 'group');
  };
  if (settings.stateFile === undefined) process.once('exit', killAll);

  async function detach(): Promise<void> {
    process.removeListener('exit', killAll);
    fleet.lifecycle.detach();
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }
  return {
    origin: `http://${settings.host}:${(server.address() as AddressInfo).port}`,
    token: settings.token,
    addFault,
    clearFaults,
    counts: () => fleet.counts(),
    pidOf: (machineId) => fleet.machines.get(machineId)?.pid ?? null,
    detach,
    async close() {
      await detach();
      killAll();
      while (fleet.counts().alive > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      if (settings.stateFile !== undefined) rmSync(settings.stateFile, { force: true });
    },
  };
}
