import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '#lib/server/config.ts';

const bucket = { PROD_S3_BUCKET_NAME: 'films', AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'eu-central-1' };
const least = { DATABASE_URL: 'postgres://localhost/heaters', SECRET_KEY_BASE: 'x'.repeat(32) };

describe('the configuration', () => {
  it('names every variable that is missing or wrong', () => {
    expect(() => parseConfig({ PORT: 'many', APP_ENV: 'nowhere' })).toThrow(
      /DATABASE_URL is missing.*\n.*SECRET_KEY_BASE is missing.*\n.*PORT must be a whole number/s,
    );
    expect(() => parseConfig({ ...least, JOB_QUEUES: 'default,nothing' })).toThrow('JOB_QUEUES names “nothing”');
  });

  it('names what a bucket needs, and takes an empty endpoint for none', () => {
    expect(parseConfig({ ...least, AWS_ENDPOINT_URL_S3: '' }).s3).toBeNull();
    expect(parseConfig({ ...least, ...bucket, AWS_ENDPOINT_URL_S3: '' }).s3).toMatchObject({ bucket: 'films', endpoint: null });
    expect(() => parseConfig({ ...least, AWS_ENDPOINT_URL_S3: 'https://s3.example.com' })).toThrow('PROD_S3_BUCKET_NAME is missing');
    expect(() => parseConfig({ ...least, ...bucket, AWS_ENDPOINT_URL_S3: 'nowhere' })).toThrow('AWS_ENDPOINT_URL_S3 must be a URL');
    expect(() => parseConfig({ ...least, PROD_S3_BUCKET_NAME: 'films', AWS_REGION: 'eu-central-1' })).toThrow(
      /AWS_ACCESS_KEY_ID is missing.*\nAWS_SECRET_ACCESS_KEY is missing/,
    );
  });

  it('asks for what Fly Machines need only where they are wanted', () => {
    expect(parseConfig(least).fly).toBeNull();
    expect(() => parseConfig({ ...least, RUNNER_BACKEND: 'fly', FLY_APP_NAME: 'heaters' })).toThrow(
      /FLY_API_TOKEN is missing.*\nFLY_IMAGE_REF is missing/,
    );
    const fly = { RUNNER_BACKEND: 'fly', FLY_APP_NAME: 'heaters', FLY_API_TOKEN: 't', FLY_IMAGE_REF: 'heaters:1' };
    expect(parseConfig({ ...least, ...fly }).fly).toMatchObject({ app: 'heaters', image: 'heaters:1', region: null });
  });

  it('takes queues by name, none by name too, and tells that from nothing said', () => {
    expect(parseConfig(least).jobQueues).toBeNull();
    expect(parseConfig({ ...least, JOB_QUEUES: 'default, temp_clips' }).jobQueues).toEqual(['default', 'temp_clips']);
    for (const list of ['', 'none']) expect(parseConfig({ ...least, JOB_QUEUES: list }).jobQueues).toEqual([]);
  });

  it('names what a distribution needs, all of it at once', () => {
    expect(() =>
      parseConfig({ ...least, PROD_CLOUDFRONT_DOMAIN: 'https://d1.cloudfront.net', PROD_CLOUDFRONT_PRIVATE_KEY: 'no key' }),
    ).toThrow(
      new RegExp(
        [
          'PROD_CLOUDFRONT_KEY_PAIR_ID is missing.*',
          'PROD_S3_BUCKET_NAME is missing.*',
          'PROD_CLOUDFRONT_DOMAIN must be a host name.*',
          'PROD_CLOUDFRONT_PRIVATE_KEY must be a private key.*',
        ].join('\n'),
      ),
    );
  });

  it('takes a private key whose lines a shell has joined', () => {
    const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const cdn = { PROD_CLOUDFRONT_DOMAIN: 'd1.cloudfront.net', PROD_CLOUDFRONT_KEY_PAIR_ID: 'K1' };
    const given = { ...least, ...bucket, ...cdn, PROD_CLOUDFRONT_PRIVATE_KEY: pem.replaceAll('\n', '\\n') };
    expect(parseConfig(given).cloudFront?.privateKey).toBe(pem);
  });

  it('asks in production for what would be unsafe or lost without', () => {
    const problems = (more: Record<string, string>) => {
      try {
        parseConfig({ ...least, APP_ENV: 'production', ...more });
        return [];
      } catch (error) {
        return (error as Error).message.split('\n').map((line) => line.split(/ (?:is|must) /)[0]);
      }
    };
    expect(problems({})).toEqual(['ORIGIN', 'SECRET_KEY_BASE', 'ADDRESS_HEADER']);
    const whole = { ORIGIN: 'https://films.example', SECRET_KEY_BASE: randomBytes(48).toString('base64'), ADDRESS_HEADER: 'fly-client-ip' };
    expect(problems(whole)).toEqual([]);
    expect(problems({ ...whole, ORIGIN: 'http://films.example' })).toEqual(['ORIGIN']);
    expect(problems({ ...whole, FLY_MACHINE_ID: '1' })).toEqual(['PROD_S3_BUCKET_NAME']);
    expect(problems({ ...whole, ...bucket, FLY_MACHINE_ID: '1' })).toEqual([]);
  });
});
