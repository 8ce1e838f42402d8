import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Finding } from '#lib/server/doctor/check.ts';
import type { FlySimulator } from '../support/fly-sim/simulator.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { startTestFly } from '../support/pool/fly.ts';
import { startS3Server, type S3Server } from '../support/s3-server.ts';

let env: TestEnvironment;
let s3: S3Server;
let fly: FlySimulator;
beforeAll(async () => {
  [env, s3, fly] = await Promise.all([openEnvironment(), startS3Server(), startTestFly()]);
});
afterAll(async () => {
  await Promise.all([s3.close(), fly.close()]);
  await env.close();
});

/** What the doctor says of these settings; the exit code must agree with it. */
async function examine(more: Readonly<Record<string, string>>, ...args: string[]): Promise<Record<string, Finding>> {
  const child = spawn(process.execPath, ['src/entries/doctor.ts', '--json', ...args], {
    env: {
      ...{ ...process.env, ...s3.environment, RUNNER_BACKEND: 'fly', FLY_API_URL: fly.origin, FLY_API_TOKEN: fly.token },
      ...{ FLY_APP_NAME: 'heaters', FLY_IMAGE_REF: 'heaters:1', LOG_LEVEL: 'silent', ...more },
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = new Promise((resolve) => child.once('exit', resolve));
  const { ok, findings } = JSON.parse(await text(child.stdout)) as { ok: boolean; findings: Finding[] };
  expect(await exit).toBe(ok ? 0 : 1);
  expect(ok).toBe(findings.every(({ kind }) => kind !== 'fail'));
  return Object.fromEntries(findings.map((finding) => [finding.name, finding]));
}

it('finds nothing wrong where all is there, and leaves nothing behind', async () => {
  await s3.allowOrigin('http://localhost:3000');
  const found = await examine({});
  expect(Object.values(found).filter(({ kind }) => kind === 'fail')).toEqual([]);
  expect(found['Fly.io']).toMatchObject({ kind: 'pass', said: expect.stringContaining('heaters:1') as string });
  expect(found['uploads of browsers']).toMatchObject({ kind: 'pass' });
  expect(await s3.unfinishedUploads()).toBe(0);
});

it('says of each thing that is wrong what it is and how to mend it', async () => {
  const found = await examine({
    ...{ FFMPEG_PATH: '/nowhere/ffmpeg', HEATERS_PYTHON: '/usr/bin/false', PROD_S3_BUCKET_NAME: 'another-bucket' },
    ...{ FLY_API_TOKEN: 'wrong', ORIGIN: 'https://elsewhere.example' },
  });
  for (const name of ['ffmpeg', 'Python', 'bucket', 'uploads of browsers', 'Fly.io']) {
    expect(found[name], name).toMatchObject({ kind: 'fail', cure: expect.stringMatching(/\w{3,} .+/) as string });
  }
  expect(found.database).toMatchObject({ kind: 'pass' });
  expect(JSON.stringify(found)).not.toContain('test-secret');
});

it('knows a page that is not allowed to upload, a migration that is missing, and a database that is not there', async () => {
  await s3.allowOrigin('https://films.example');
  await env.sql`delete from migrations where name = '0016-audit'`;
  const found = await examine({});
  await env.sql`insert into migrations (name, run_on) values ('0016-audit', now())`;
  expect(found['uploads of browsers']).toMatchObject({ kind: 'fail', said: expect.stringContaining('http://localhost:3000') as string });
  expect(found.migrations).toMatchObject({ kind: 'fail', said: expect.stringContaining('0016-audit') as string });
  const away = await examine({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
  expect(away.database).toMatchObject({ kind: 'fail', cure: expect.stringContaining('DATABASE_URL') as string });
}, 90_000);

it('after a deploy that did not come up, names health, schedule and queues', async () => {
  const found = await examine({}, '--after', 'http://127.0.0.1:9');
  for (const name of ['health', 'live connection', 'dispatcher', 'queues']) expect(found[name], name).toMatchObject({ kind: 'fail' });
  expect(found.queues).toMatchObject({ said: expect.stringContaining('nobody works on default') as string });
  expect(found['clip playback']).toMatchObject({ kind: 'skip' });
});

it('lists every wrong variable, one by one', async () => {
  const found = await examine({ SECRET_KEY_BASE: 'short', JOB_QUEUES: 'nothing' });
  expect(found.variables).toMatchObject({ kind: 'fail' });
  expect(Object.keys(found)).toEqual(['variables']);
});
