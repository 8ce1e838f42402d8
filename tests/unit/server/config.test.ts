import { describe, expect, it } from 'vitest';
import { parseConfig } from '#lib/server/config.ts';

const least = { DATABASE_URL: 'postgres://localhost/heaters', SECRET_KEY_BASE: 'x'.repeat(32) };

describe('the configuration', () => {
  it('names every variable that is missing or wrong', () => {
    expect(() => parseConfig({ PORT: 'many', APP_ENV: 'nowhere' })).toThrow(
      /DATABASE_URL is missing.*\n.*SECRET_KEY_BASE is missing.*\n.*PORT must be a whole number/s,
    );
    expect(() => parseConfig({ ...least, JOB_QUEUES: 'default,nothing' })).toThrow('JOB_QUEUES names “nothing”');
  });

  it('names what a bucket needs, and takes an empty endpoint for none', () => {
    const bucket = { PROD_S3_BUCKET_NAME: 'films', AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'eu-central-1' };
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
});
