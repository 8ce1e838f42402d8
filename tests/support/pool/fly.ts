import { fileURLToPath } from 'node:url';
import { FlyApi } from '#lib/server/pool/backends/fly-api.ts';
import { FlyBackend } from '#lib/server/pool/backends/fly.ts';
import { startFlySimulator, type FlySimulator } from '../fly-sim/simulator.ts';
import type { FaultInput } from '../fly-sim/faults.ts';
import type { SimulatorOptions } from '../fly-sim/options.ts';
import { TEST_RUNNER } from './pool.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** What a test that wants trouble with the API draws from. */
export const API_FAULTS: readonly FaultInput[] = [
  { kind: 'rate_limited', count: 3 },
  { kind: 'server_error', count: 2 },
  { kind: 'response_lost', action: 'create', mode: 'drop', count: 2 },
  { kind: 'response_lost', action: 'create', mode: 'hang', count: 1 },
  { kind: 'no_capacity', region: 'iad', count: 2 },
  { kind: 'stuck_created', count: 1 },
  { kind: 'stale_list', count: 5 },
];

/** A Fly whose images all are this checkout; its limits are off unless wanted. */
export function startTestFly(options: SimulatorOptions = {}): Promise<FlySimulator> {
  return startFlySimulator({
    apps: { heaters: { secrets: { FLY_API_TOKEN: 'never for runners' } } },
    images: { 'heaters:1': { cwd: ROOT }, 'heaters:2': { cwd: ROOT } },
    bootDelayMs: [20, 80],
    rateLimits: false,
    ...options,
  });
}

/** The backend that a parent uses to reach it; `app` is `heaters`. */
export function testFlyBackend(
  fly: FlySimulator,
  options: {
    readonly regions?: readonly string[];
    readonly token?: string;
    readonly timeoutMs?: number;
    readonly command?: readonly string[];
  } = {},
): FlyBackend {
  return new FlyBackend({
    api: new FlyApi({
      ...{ origin: fly.origin, app: 'heaters', token: options.token ?? fly.token, timeoutMs: options.timeoutMs ?? 2_000 },
      reserve: () => Promise.resolve(0),
    }),
    ...{ deployment: 'test', image: 'heaters:1', regions: options.regions ?? ['iad', 'lhr'], command: options.command ?? TEST_RUNNER },
  });
}
