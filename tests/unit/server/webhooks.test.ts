import { beforeAll, expect, it } from 'vitest';
import { refusalOfAddress, sendWebhook } from '#lib/server/webhooks/send.ts';
import { secretOf, signatureHeaders } from '#lib/server/webhooks/sign.ts';
import { Webhook } from 'standardwebhooks';

beforeAll(() => {
  Object.assign(process.env, {
    DATABASE_URL: 'postgres://localhost/none',
    SECRET_KEY_BASE: 'x'.repeat(32),
    ORIGIN: 'http://localhost:3000',
  });
});

const SEED = '7d1f5b1e-52a4-4b5a-9a43-111111111111';
const OTHER = '7d1f5b1e-52a4-4b5a-9a43-222222222222';

it('signs so that an independent library verifies, and refuses another body or secret', () => {
  const body = JSON.stringify({ type: 'ping' });
  const headers = signatureHeaders([SEED], { id: 'message-1', sentAtMs: Date.now(), body });
  expect(new Webhook(secretOf(SEED)).verify(body, headers)).toEqual({ type: 'ping' });
  expect(() => new Webhook(secretOf(SEED)).verify('{}', headers)).toThrow();
  expect(() => new Webhook(secretOf(OTHER)).verify(body, headers)).toThrow();
});

it.each([
  'http://example.com/hook',
  'ftp://example.com',
  'example.com',
  'https://me:word@example.com/',
  'https://127.0.0.1/',
  'https://[::1]/',
  'https://10.1.2.3/',
])('takes no webhook at %s', (address) => expect(refusalOfAddress(address)).not.toBeNull());

it('takes one at a public https address', () => expect(refusalOfAddress('https://example.com/hook')).toBeNull());

it('reaches no private address by a name either', async () => {
  const attempt = await sendWebhook('https://localhost:9/hook', { headers: {}, body: '{}' }, new AbortController().signal);
  expect(attempt).toMatchObject({ status: null, error: expect.stringContaining('not on the public internet') });
});
