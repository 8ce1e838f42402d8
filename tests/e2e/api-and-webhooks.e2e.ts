import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { Webhook } from 'standardwebhooks';
import { startApp, type RunningApp } from '../support/app.ts';
import { invite, logInAdmin, type BrowserPerson } from '../support/people.ts';

let app: RunningApp;
let admin: BrowserPerson;
let reviewer: BrowserPerson;
let receiver: Server;
let address: string;
let token: string;
let status = 200;
const received: { readonly headers: Record<string, string>; readonly body: string }[] = [];

test.describe.configure({ mode: 'serial' });

test.beforeAll(async ({ browser }) => {
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      received.push({ headers: request.headers as Record<string, string>, body });
      response.writeHead(status).end(status === 200 ? 'thank you' : 'the cutting room is closed');
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  app = await startApp(undefined, 1, { ALLOW_PRIVATE_URLS: 'true' });
  admin = await logInAdmin(browser, app.loginUrl);
  reviewer = await invite(browser, admin, app.origin, 'Rita', 'reviewer');
});

test.afterAll(async () => {
  await admin.context.close();
  await reviewer.context.close();
  await app.stop();
  receiver.closeAllConnections();
  receiver.close();
});

interface Clip {
  readonly id: number;
  readonly version: number;
  readonly state: string;
}

async function ask(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`${app.origin}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

const decide = (clip: Clip, kind: string, key: string) =>
  ask('POST', `/clips/${clip.id}/decisions`, { kind, version: clip.version }, { 'idempotency-key': key });

test('a token made on the account’s page is shown once and does what its scopes say', async () => {
  const { page } = reviewer;
  await page.goto(`${app.origin}/account`);
  // What only admins may do is not offered.
  await expect(page.getByRole('checkbox', { name: /^admin/ })).toHaveCount(0);
  await page.getByLabel('What it is for').fill('Nightly approval');
  await page.getByRole('checkbox', { name: /^review/ }).check();
  await page.getByRole('button', { name: 'Make a token' }).click();
  token = await page.getByLabel(/Your new token/).inputValue();
  expect(token).toMatch(/^heaters_/);
  await page.reload();
  await expect(page.getByRole('listitem').filter({ hasText: 'Nightly approval' })).toBeVisible();
  expect(await page.content()).not.toContain(token);
  expect((await ask('GET', '/me')).body).toMatchObject({ name: 'Rita', token: { scopes: ['read', 'review'] } });
  expect((await ask('POST', '/videos', { url: 'https://example.com/a.mp4' })).status).toBe(403);
});

test('a webhook is added, and what a program decides appears in its log without a reload', async () => {
  // It begins with the sample’s whole way through the pipeline.
  test.setTimeout(300_000);
  const { page } = admin;
  await page.goto(`${app.origin}/admin/webhooks`);
  await page.getByLabel('Address').fill(address);
  await page.getByRole('checkbox', { name: /clip\.decided/ }).check();
  await page.getByRole('button', { name: 'Add the webhook' }).click();
  await expect(page.getByText('Nothing was told yet')).toBeVisible();
  await page.getByRole('button', { name: 'Send a test message' }).click();
  const ping = page.locator('details', { hasText: 'ping' });
  await expect(ping).toContainText('Delivered', { timeout: 60_000 });
  await page.getByRole('button', { name: 'Show the secret' }).click();
  const secret = await page.getByLabel(/secret that signs/).inputValue();

  await expect.poll(async () => (await ask('GET', '/videos?state=ready')).body.items.length, { timeout: 200_000 }).toBe(1);
  const [video] = (await ask('GET', '/videos?state=ready')).body.items as { id: number }[];
  const [clip] = (await ask('GET', `/videos/${video!.id}/clips?state=pending&limit=1`)).body.items as [Clip];
  const first = await decide(clip, 'approve', 'night 1');
  expect(first.body).toMatchObject({ kind: 'ok', clips: [{ id: clip.id, state: 'approved' }] });
  expect((await decide(clip, 'approve', 'night 1')).body).toEqual(first.body);
  const late = await decide(clip, 'skip', 'night 2');
  expect(late.status).toBe(409);
  expect(late.body).toMatchObject({ current: { id: clip.id, state: 'approved', decidedBy: { name: 'Rita' } } });

  const delivery = page.locator('details', { hasText: 'clip.decided' });
  await expect(delivery).toHaveCount(1);
  await expect(delivery).toContainText('Delivered', { timeout: 60_000 });
  await delivery.locator('summary').click();
  await expect(delivery).toContainText('thank you');
  await expect(delivery).toContainText('"actorName": "Rita"');
  const told = received.at(-1)!;
  expect(new Webhook(secret).verify(told.body, told.headers)).toMatchObject({ type: 'clip.decided', data: { actorName: 'Rita' } });

  status = 503;
  await delivery.getByRole('button', { name: 'Send it again' }).click();
  await expect(delivery).toContainText('the cutting room is closed', { timeout: 60_000 });
  await expect(page.getByRole('alert')).toContainText('has not taken anything since');
});

test('a token that is revoked is dead at once, and admins see whose there are', async () => {
  const { page } = admin;
  await page.goto(`${app.origin}/admin/tokens`);
  const row = page.getByRole('listitem').filter({ hasText: 'Nightly approval' });
  await expect(row).toContainText('Rita');
  await expect(row).toContainText('last used');
  await row.getByRole('button', { name: /Revoke/ }).click();
  await page.getByRole('button', { name: 'Revoke it' }).click();
  await expect(row).toContainText('Revoked');
  expect((await ask('GET', '/me')).status).toBe(401);
});

test('a reviewer sees the API’s page, and no page of admins', async () => {
  const { page } = reviewer;
  await page.goto(`${app.origin}/api#decideClip`);
  await expect(page.locator('#decideClip')).toHaveAttribute('open', '');
  await page.getByLabel('Find an operation').fill('undo');
  await expect(page.locator('#undoDecision')).toBeVisible();
  await expect(page.locator('#listVideos')).toHaveCount(0);
  for (const path of ['/admin/tokens', '/admin/webhooks', '/admin/webhooks/1']) {
    expect([path, (await page.goto(app.origin + path))?.status()]).toEqual([path, 403]);
    await expect(page.locator('body')).not.toContainText(address);
  }
});

test('axe finds nothing serious on these pages, full as they are', async () => {
  const { page, context } = admin;
  for (const theme of ['light', 'dark']) {
    await context.addCookies([{ name: 'theme', value: theme, url: app.origin }]);
    for (const path of ['/account', '/api', '/admin/tokens', '/admin/webhooks', '/admin/webhooks/1', '/admin/audit']) {
      await page.goto(app.origin + path);
      await expect(page.locator('html')).toHaveAttribute('data-theme', theme);
      await page.locator('summary').evaluateAll((all) => all.slice(0, 3).forEach((each) => (each as HTMLElement).click()));
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      expect(serious.map(({ id, nodes }) => `${path} ${theme} ${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`)).toEqual(
        [],
      );
    }
  }
});
