import path from 'node:path';
import * as v from 'valibot';
import type { QueueName } from '#lib/jobs/stages.ts';
import { environmentProblems, namedQueues, pemOf } from '#lib/server/environment-rules.ts';

const wholeNumber = (fallback: string) =>
  v.pipe(v.optional(v.string(), fallback), v.regex(/^\d+$/, 'must be a whole number'), v.transform(Number));
// An absent variable is an empty one: both get the same sentence.
const text = (what: string) => v.pipe(v.optional(v.string(), ''), v.nonEmpty(`is missing: ${what}`));

/** What S3 calls the classes that a master may lie in; of these, GLACIER and DEEP_ARCHIVE must be restored before they can be read. */
const MASTER_STORAGE_CLASSES = ['STANDARD', 'STANDARD_IA', 'ONEZONE_IA', 'GLACIER_IR', 'GLACIER', 'DEEP_ARCHIVE'] as const;

const Environment = v.object({
  DATABASE_URL: text('the URL of a PostgreSQL server; `npm start` brings one along'),
  /** What runners are given; a role that may do little is enough. */
  RUNNER_DATABASE_URL: v.optional(v.string()),
  POOL_SIZE: wholeNumber('10'),
  SECRET_KEY_BASE: v.pipe(text('a random text that signs links'), v.minLength(32, 'must have at least 32 characters')),
  ORIGIN: v.pipe(v.optional(v.string(), 'http://localhost:3000'), v.url('must be a URL like https://example.com')),
  HOST: v.optional(v.string(), '127.0.0.1'),
  PORT: wholeNumber('3000'),
  APP_ENV: v.optional(v.picklist(['production', 'development', 'test'], 'must be production, development or test'), 'development'),
  JOB_QUEUES: v.optional(v.string()),
  DRAIN_SECONDS: wholeNumber('5'),
  DATA_DIR: v.optional(v.string(), '.heaters/data'),
  MODEL_DIR: v.optional(v.string(), '.heaters/model'),
  FFMPEG_PATH: v.optional(v.string(), 'ffmpeg'),
  FFPROBE_PATH: v.optional(v.string(), 'ffprobe'),
  HEATERS_PYTHON: v.optional(v.string(), 'python3'),
  ALLOW_PRIVATE_URLS: v.optional(v.picklist(['true', 'false'], 'must be true or false'), 'false'),
  MAX_UPLOAD_BYTES: wholeNumber(String(100 * 2 ** 30)),
  ENCODE_PART_SECONDS: wholeNumber('120'),
  RUNNER_BACKEND: v.optional(v.picklist(['local', 'fly'], 'must be local or fly'), 'local'),
  FLY_API_URL: v.optional(v.string(), 'https://api.machines.dev'),
  FLY_API_TOKEN: v.optional(v.string()),
  FLY_APP_NAME: v.optional(v.string()),
  FLY_IMAGE_REF: v.optional(v.string()),
  FLY_REGION: v.optional(v.string()),
  LOG_LEVEL: v.optional(v.picklist(['debug', 'info', 'warn', 'error', 'silent'], 'must be debug, info, warn, error or silent'), 'info'),
  /** Opens /metrics on the public port to whoever shows it. */
  METRICS_TOKEN: v.optional(
    v.pipe(
      v.string(),
      v.check((token) => token === '' || token.length >= 16, 'must have at least 16 characters'),
    ),
  ),
  /** Set by Fly.io in each machine. */
  FLY_MACHINE_ID: v.optional(v.string()),
  PLAYBACK_CACHE_MAX_BYTES: wholeNumber(String(2 ** 30)),
  PLAYBACK_CACHE_MIN_FREE_BYTES: wholeNumber(String(500 * 2 ** 20)),
  PROD_S3_BUCKET_NAME: v.optional(v.string()),
  AWS_ACCESS_KEY_ID: v.optional(v.string()),
  AWS_SECRET_ACCESS_KEY: v.optional(v.string()),
  AWS_REGION: v.optional(v.string()),
  AWS_ENDPOINT_URL_S3: v.optional(
    v.pipe(
      v.string(),
      v.check((url) => url === '' || URL.canParse(url), 'must be a URL like https://s3.example.com'),
    ),
  ),
  MASTER_STORAGE_CLASS: v.optional(v.picklist(MASTER_STORAGE_CLASSES, `must be one of ${MASTER_STORAGE_CLASSES.join(', ')}`), 'GLACIER_IR'),
  PROD_CLOUDFRONT_DOMAIN: v.optional(v.string()),
  PROD_CLOUDFRONT_KEY_PAIR_ID: v.optional(v.string()),
  PROD_CLOUDFRONT_PRIVATE_KEY: v.optional(v.string()),
});

/** A runner has a database of its own naming, the process of a call has none, and neither is given the secret: they could not use it for good. */
const NOT_FOR_RUNNERS = { DATABASE_URL: 'none', SECRET_KEY_BASE: 'none'.padEnd(32) };

/** Where an S3 bucket is, who may use it, and what `cold` means in it. */
export interface S3Settings {
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** A server that is not Amazon's; null for Amazon's. */
  readonly endpoint: string | null;
  readonly masterStorageClass: (typeof MASTER_STORAGE_CLASSES)[number];
}

/** Everything that the environment decides, parsed once. */
export interface Config {
  readonly databaseUrl: string;
  /** What runners are given: the same, or that of a role which may only use the pool's tables. */
  readonly runnerDatabaseUrl: string;
  readonly poolSize: number;
  readonly secretKeyBase: string;
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  readonly appEnv: 'production' | 'development' | 'test';
  /** Queues that this process works on; null when nothing is said: then a worker takes all, the web process none. */
  readonly jobQueues: readonly QueueName[] | null;
  /** How long jobs may go on when the process is told to stop. */
  readonly drainMs: number;
  /** Object store, work folders and playback cache on disk; absolute. */
  readonly dataDir: string;
  /** Where `npm run model` has put the model of the search by meaning, if it has; absolute. */
  readonly modelDir: string;
  readonly ffmpegPath: string;
  readonly ffprobePath: string;
  readonly pythonPath: string;
  /** Whether downloads may reach private and loopback addresses. */
  readonly allowPrivateUrls: boolean;
  readonly maxUploadBytes: number;
  /** Sources of at least twice this length are encoded in parts of this length, beside one another. */
  readonly encodePartSeconds: number;
  readonly logLevel: string;
  /** Where the runner pool gets its machines; null for processes of this machine. */
  readonly fly: {
    readonly origin: string;
    readonly app: string;
    readonly token: string;
    readonly image: string;
    readonly region: string | null;
  } | null;
  /** What a scraper must show to read /metrics on the public port; null: nobody may. */
  readonly metricsToken: string | null;
  /** This machine among those of Fly.io, which can send a request from one to another; null elsewhere. */
  readonly machineId: string | null;
  readonly playbackCache: { readonly maxBytes: number; readonly minFreeBytes: number };
  /** Where objects lie; null for the disk. */
  readonly s3: S3Settings | null;
  readonly cloudFront: { readonly domain: string; readonly keyPairId: string; readonly privateKey: string } | null;
}

/** Thrown for a wrong or missing variable; each line of the message is one sentence about one variable. */
export class ConfigError extends Error {}

/** Reads the configuration. Throws `ConfigError` naming every variable that is missing or wrong. */
export function parseConfig(environment: NodeJS.ProcessEnv): Config {
  const isOfRunner = environment.HEATERS_ROLE === 'call' || environment.HEATERS_ROLE === 'runner';
  const given = isOfRunner ? { ...environment, ...NOT_FOR_RUNNERS } : environment;
  const parsed = v.safeParse(Environment, given);
  const problems = [
    ...(parsed.issues ?? []).map((issue) => `${v.getDotPath(issue) ?? 'The environment'} ${issue.message}.`),
    ...(isOfRunner ? [] : environmentProblems(given)),
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems.join('\n'));
  const env = parsed.output;
  const { PROD_CLOUDFRONT_DOMAIN: domain, PROD_CLOUDFRONT_KEY_PAIR_ID: keyPairId, PROD_CLOUDFRONT_PRIVATE_KEY: privateKey } = env;
  return {
    databaseUrl: env.DATABASE_URL,
    runnerDatabaseUrl: env.RUNNER_DATABASE_URL ?? env.DATABASE_URL,
    poolSize: env.POOL_SIZE,
    secretKeyBase: env.SECRET_KEY_BASE,
    origin: env.ORIGIN,
    host: env.HOST,
    port: env.PORT,
    appEnv: env.APP_ENV,
    jobQueues: env.JOB_QUEUES === undefined ? null : namedQueues(env.JOB_QUEUES),
    drainMs: env.DRAIN_SECONDS * 1000,
    dataDir: path.resolve(env.DATA_DIR),
    modelDir: path.resolve(env.MODEL_DIR),
    ffmpegPath: env.FFMPEG_PATH,
    ffprobePath: env.FFPROBE_PATH,
    pythonPath: env.HEATERS_PYTHON,
    allowPrivateUrls: env.ALLOW_PRIVATE_URLS === 'true',
    maxUploadBytes: env.MAX_UPLOAD_BYTES,
    encodePartSeconds: env.ENCODE_PART_SECONDS,
    logLevel: env.LOG_LEVEL,
    fly: flyOf(env),
    metricsToken: env.METRICS_TOKEN || null,
    machineId: env.FLY_MACHINE_ID ?? null,
    playbackCache: { maxBytes: env.PLAYBACK_CACHE_MAX_BYTES, minFreeBytes: env.PLAYBACK_CACHE_MIN_FREE_BYTES },
    s3: s3Of(env),
    cloudFront: domain && keyPairId && privateKey ? { domain, keyPairId, privateKey: pemOf(privateKey) } : null,
  };
}

function flyOf(env: v.InferOutput<typeof Environment>): Config['fly'] {
  const { FLY_API_URL: origin, FLY_APP_NAME: app, FLY_API_TOKEN: token, FLY_IMAGE_REF: image, FLY_REGION: region } = env;
  if (env.RUNNER_BACKEND !== 'fly' || !app || !token || !image) return null;
  return { origin, app, token, image, region: region ?? null };
}

function s3Of(env: v.InferOutput<typeof Environment>): S3Settings | null {
  const { PROD_S3_BUCKET_NAME: bucket, AWS_REGION: region, AWS_ENDPOINT_URL_S3: endpoint } = env;
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!bucket || !region || !accessKeyId || !secretAccessKey) return null;
  return { bucket, region, accessKeyId, secretAccessKey, endpoint: endpoint || null, masterStorageClass: env.MASTER_STORAGE_CLASS };
}

/** The variables that make another process use the same object store. */
export function storageEnvironment(s3: S3Settings | null): Record<string, string> {
  if (s3 === null) return {};
  return {
    PROD_S3_BUCKET_NAME: s3.bucket,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    AWS_REGION: s3.region,
    ...(s3.endpoint === null ? {} : { AWS_ENDPOINT_URL_S3: s3.endpoint }),
    MASTER_STORAGE_CLASS: s3.masterStorageClass,
  };
}

let cached: Config | undefined;

/** The configuration of this process. Throws `ConfigError` at the first call when it is wrong. */
export function config(): Config {
  cached ??= parseConfig(process.env);
  return cached;
}
