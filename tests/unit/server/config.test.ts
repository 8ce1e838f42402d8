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

  it('asks for what Fly Machines need only where they are wanted', () => {
    expect(parseConfig(least).fly).toBeNull();
    expect(() => parseConfig({ ...least, RUNNER_BACKEND: 'fly', FLY_APP_NAME: 'heaters' })).toThrow(
      /FLY_API_TOKEN is missing.*\nFLY_IMAGE_REF is missing/,
    );
    const fly = { RUNNER_BACKEND: 'fly', FLY_APP_NAME: 'heaters', FLY_API_TOKEN: 't', FLY_IMAGE_REF: 'heaters:1' };
    expect(parseConfig({ ...least, ...fly }).fly).toMatchObject({ app: 'heaters', image: 'heaters:1', region: null });
  });
});
