import { createPrivateKey } from 'node:crypto';
import { QUEUES, type QueueName } from '#lib/jobs/stages.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** Fewer different characters than this are a pattern and not random. */
const RANDOM_TEXT_CHARACTERS = 10;

/** What no variable is wrong about by itself, but with another or in production: one sentence each. */
export function environmentProblems(env: Variables): string[] {
  return [
    ...queueProblems(env),
    ...databaseProblems(env),
    ...flyProblems(env),
    ...bucketProblems(env),
    ...cdnProblems(env),
    ...productionProblems(env),
  ];
}

/** The queues that a list names, in its order; `none` names none. Unknown names are left out. */
export function namedQueues(list: string): QueueName[] {
  return namesIn(list).flatMap((name) => QUEUES.find((queue) => queue === name) ?? []);
}

/** A PEM key as it was before a shell or a form put it on one line. */
export function pemOf(text: string): string {
  return text.replaceAll('\\n', '\n');
}

function namesIn(list: string): string[] {
  return list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'none');
}

function queueProblems({ JOB_QUEUES: list = '' }: Variables): string[] {
  return namesIn(list)
    .filter((name) => !QUEUES.some((queue) => queue === name))
    .map((name) => `JOB_QUEUES names “${name}”, known are ${QUEUES.join(', ')}.`);
}

function databaseProblems(env: Variables): string[] {
  return ['DATABASE_URL', 'RUNNER_DATABASE_URL']
    .filter((name) => env[name] && !/^postgres(ql)?:\/\/./.test(env[name]))
    .map((name) => `${name} must be a URL like postgres://user:password@host:5432/heaters.`);
}

function flyProblems(env: Variables): string[] {
  if (env.RUNNER_BACKEND !== 'fly') return [];
  return missing(env, ['FLY_APP_NAME', 'FLY_API_TOKEN', 'FLY_IMAGE_REF'], 'RUNNER_BACKEND=fly boots Fly Machines with it');
}

function bucketProblems(env: Variables): string[] {
  const needed = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION'];
  if (env.PROD_S3_BUCKET_NAME) return missing(env, needed, 'PROD_S3_BUCKET_NAME names a bucket that needs it');
  return env.AWS_ENDPOINT_URL_S3 ? ['PROD_S3_BUCKET_NAME is missing: AWS_ENDPOINT_URL_S3 names a server of buckets.'] : [];
}

function cdnProblems(env: Variables): string[] {
  const names = ['PROD_CLOUDFRONT_DOMAIN', 'PROD_CLOUDFRONT_KEY_PAIR_ID', 'PROD_CLOUDFRONT_PRIVATE_KEY'];
  if (names.every((name) => !env[name])) return [];
  const problems = missing(env, names, 'a distribution is used with domain, key pair and private key, or not at all');
  problems.push(...missing(env, ['PROD_S3_BUCKET_NAME'], 'a distribution delivers what is in a bucket'));
  const { PROD_CLOUDFRONT_DOMAIN: domain, PROD_CLOUDFRONT_PRIVATE_KEY: key } = env;
  if (domain && !/^[\w.-]+(:\d+)?$/.test(domain))
    problems.push('PROD_CLOUDFRONT_DOMAIN must be a host name like d111111abcdef8.cloudfront.net.');
  if (key && !isPrivateKey(pemOf(key)))
    problems.push('PROD_CLOUDFRONT_PRIVATE_KEY must be a private key in PEM, the one whose public half the key group has.');
  return problems;
}

function productionProblems(env: Variables): string[] {
  if (env.APP_ENV !== 'production') return [];
  const problems: string[] = [];
  const origin = env.ORIGIN ?? '';
  if (origin === '') problems.push('ORIGIN is missing: the public URL of the app, such as https://heaters.example.com.');
  else if (URL.canParse(origin) && new URL(origin).protocol !== 'https:') {
    problems.push('ORIGIN must begin with https:// in production: log-ins and signed links would travel in the clear.');
  }
  const secret = env.SECRET_KEY_BASE ?? '';
  if (secret.length >= 32 && new Set(secret).size < RANDOM_TEXT_CHARACTERS) {
    problems.push('SECRET_KEY_BASE must be random in production: make one with `openssl rand -base64 48`.');
  }
  if (!env.ADDRESS_HEADER) {
    const why = 'behind a proxy it names the client, else one wrong password too many shuts everybody out';
    problems.push(`ADDRESS_HEADER is missing: ${why}; it is fly-client-ip on Fly.io, often x-forwarded-for elsewhere.`);
  }
  if (!env.PROD_S3_BUCKET_NAME && (env.RUNNER_BACKEND === 'fly' || env.FLY_MACHINE_ID)) {
    problems.push('PROD_S3_BUCKET_NAME is missing: machines of Fly.io share no disk, so media files must lie in a bucket.');
  }
  return problems;
}

function missing(env: Variables, names: readonly string[], why: string): string[] {
  return names.filter((name) => !env[name]).map((name) => `${name} is missing: ${why}.`);
}

function isPrivateKey(pem: string): boolean {
  try {
    createPrivateKey(pem);
    return true;
  } catch {
    return false;
  }
}
