import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashPassword } from '#lib/server/auth/passwords.ts';
import { logIn } from '#lib/server/features/accounts.ts';
import { securityHeaders } from '#lib/server/security-headers.ts';
import { insertUser } from '#lib/server/stores/users.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';

let env: TestEnvironment;
beforeAll(async () => {
  env = await openEnvironment();
  await insertUser(env.sql, { email: 'ann@example.com', name: 'Ann', role: 'viewer', passwordHash: await hashPassword('correct horse') });
  await env.addPerson('Bob', 'viewer');
});
afterAll(() => env.close());

const median = (values: readonly number[]) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;

it('the time of an answer tells neither who has an account nor who has a password', async () => {
  const emails = ['ann@example.com', 'bob@example.com', 'nobody@example.com'];
  const took = new Map<string, number[]>(emails.map((email) => [email, []]));
  for (let round = 0; round < 12; round += 1) {
    // One after the other, so that whatever else the machine does falls on all of them alike.
    for (const email of emails) {
      await env.sql`delete from login_failures`;
      const startedMs = performance.now();
      expect((await logIn(env.sql, { email, password: 'wrong horse!!', address: '192.0.2.1' })).kind).toBe('wrong');
      if (round > 1) took.get(email)!.push(performance.now() - startedMs);
    }
  }
  const medians = emails.map((email) => median(took.get(email)!));
  // Without the work for nobody's hash it would be ten times as fast.
  expect(Math.max(...medians) / Math.min(...medians)).toBeLessThan(3);
});

it('browsers are told to stay with https where the app is served so, and only there', () => {
  expect(securityHeaders('https://heaters.example')['strict-transport-security']).toMatch(/max-age=\d{8}/);
  expect(securityHeaders('http://localhost:3000')).not.toHaveProperty('strict-transport-security');
});
