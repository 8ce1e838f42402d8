import * as v from 'valibot';

/** What a request does, as rate limits and faults name it. */
// prettier-ignore
export const ACTIONS = [
  'create', 'list', 'get', 'events', 'wait', 'start', 'stop', 'suspend', 'signal', 'delete', 'lease', 'metadata', 'regions',
] as const;
export type Action = (typeof ACTIONS)[number];

const RateLimitSchema = v.object({ perSecond: v.number(), burst: v.number() });
export type RateLimit = v.InferOutput<typeof RateLimitSchema>;

const ImageSchema = v.object({
  /** The folder its machines start in. */
  cwd: v.string(),
  /** The program and its arguments, where the machine's configuration names none. */
  command: v.optional(v.array(v.string()), []),
});

const RegionSchema = v.object({
  /** How many machines find room there. */
  capacity: v.optional(v.number(), 1000),
  /** Names of wider areas that the region is part of, such as `us`. */
  areas: v.optional(v.array(v.string()), []),
});

/** Everything that data can say about a simulator; the command line reads it from a JSON file. */
export const OptionsSchema = v.object({
  host: v.optional(v.string(), '127.0.0.1'),
  /** 0 takes a free port. */
  port: v.optional(v.number(), 0),
  /** The Bearer token that opens every app. */
  token: v.optional(v.string(), 'fly-sim-token'),
  /** The apps there are, with the secrets their machines are given. */
  apps: v.optional(v.record(v.string(), v.object({ secrets: v.optional(v.record(v.string(), v.string()), {}) })), { app: {} }),
  /** What stands behind each image name. */
  images: v.optional(v.record(v.string(), ImageSchema), {}),
  /** The first is the default region. */
  regions: v.optional(v.record(v.string(), RegionSchema), { iad: { areas: ['us'] }, ord: { areas: ['us'] }, lhr: { areas: ['eu'] } }),
  /** From `created` to `started`, in milliseconds: each machine's delay is drawn from this range. */
  bootDelayMs: v.optional(v.tuple([v.number(), v.number()]), [50, 500]),
  /** `false` turns every limit off; otherwise those named replace the defaults. */
  rateLimits: v.optional(v.union([v.literal(false), v.record(v.picklist(ACTIONS), RateLimitSchema)]), {}),
  /** The same seed gives the same ids and delays. */
  seed: v.optional(v.string(), 'fly-sim'),
  /** Where machines and their process ids outlive the simulator; without it, they end with it. */
  stateFile: v.optional(v.string()),
  /** A folder for what the machines print, one file each; without it, that is thrown away. */
  logFolder: v.optional(v.string()),
});
export type SimulatorSettings = v.InferOutput<typeof OptionsSchema>;
export type SimulatorOptions = v.InferInput<typeof OptionsSchema>;
