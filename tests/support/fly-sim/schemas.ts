import os from 'node:os';
import * as v from 'valibot';
import { ApiError } from './api-error.ts';

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const strings = v.record(v.string(), v.string());
const argv = v.optional(v.array(v.string()));

/** A duration as the API takes it, nanoseconds or a text such as `10s`, in milliseconds. */
const Duration = v.union([
  v.pipe(
    v.number(),
    v.transform((nanoseconds) => nanoseconds / 1e6),
  ),
  v.pipe(
    v.string(),
    v.regex(/^(\d+(\.\d+)?(ms|s|m|h))+$/),
    v.transform((text) => [...text.matchAll(/([\d.]+)(ms|s|m|h)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * UNIT_MS[unit!]!, 0)),
  ),
]);
const Signal = v.picklist(Object.keys(os.constants.signals) as NodeJS.Signals[]);

/** The body of a stop; the timeout comes out in milliseconds. */
export const StopSchema = v.object({ signal: v.optional(Signal), timeout: v.optional(Duration) });
export const SignalSchema = v.object({ signal: Signal });
export const LeaseSchema = v.object({ ttl: v.optional(v.number()), description: v.optional(v.string(), '') });
export const MetadataSchema = v.object({ value: v.string() });

const ConfigSchema = v.looseObject({
  image: v.string(),
  env: v.optional(strings, {}),
  guest: v.optional(v.looseObject({ cpu_kind: v.optional(v.string()), cpus: v.optional(v.number()), memory_mb: v.optional(v.number()) })),
  init: v.optional(v.looseObject({ exec: argv, entrypoint: argv, cmd: argv }), {}),
  auto_destroy: v.optional(v.boolean(), false),
  restart: v.optional(
    v.looseObject({
      policy: v.optional(v.picklist(['no', 'on-failure', 'always']), 'on-failure'),
      max_retries: v.optional(v.number(), 10),
    }),
    {},
  ),
  metadata: v.optional(strings, {}),
  stop_config: v.optional(v.looseObject(StopSchema.entries), {}),
});
export type MachineConfig = v.InferOutput<typeof ConfigSchema>;

/** The body of a create. */
export const CreateSchema = v.looseObject({
  name: v.optional(v.string()),
  region: v.optional(v.string()),
  lease_ttl: v.optional(v.number()),
  skip_launch: v.optional(v.boolean(), false),
  skip_secrets: v.optional(v.boolean(), false),
  config: ConfigSchema,
});
export type CreateRequest = v.InferOutput<typeof CreateSchema>;

/** MiB of memory that each CPU may have, by kind. */
const MEMORY_MB_PER_CPU: Record<string, [number, number]> = { shared: [256, 2048], performance: [2048, 8192] };

/** Refuses a guest that Fly does not rent out. */
export function validateGuest({ guest, size }: MachineConfig): void {
  if (guest === undefined) return;
  if (size !== undefined) throw new ApiError(422, 'invalid config: guest and size exclude each other');
  const { cpu_kind: kind = 'shared', cpus = 1 } = guest;
  const [low, high] = MEMORY_MB_PER_CPU[kind] ?? [];
  if (low === undefined || high === undefined) throw new ApiError(422, `invalid config.guest.cpu_kind: ${kind}`);
  const memoryMb = guest.memory_mb ?? low * cpus;
  if (memoryMb >= low * cpus && memoryMb <= high * cpus) return;
  throw new ApiError(422, `invalid config.guest.memory_mb: ${memoryMb} is not within ${low * cpus} and ${high * cpus}`);
}
