import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { startApp, type RunningApp } from '../support/app.ts';
import { invite, logInAdmin, type BrowserPerson } from '../support/people.ts';

let app: RunningApp;
let admin: BrowserPerson;
test.beforeAll(async ({ browser }) => {
  app = await startApp(undefined, 1, { METRICS_TOKEN: 'a-token-for-scrapers' });
  admin = await logInAdmin(browser, app.loginUrl);
});
test.afterAll(() => app.stop());

const expectNoSeriousProblem = async (page: Page) => {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')).toEqual([]);
};

test('an admin watches the pool, keeps a machine warm, drains it and changes settings, all without a reload', async ({ browser }) => {
  test.setTimeout(180_000);
  const { page } = admin;
  await page.goto(`${app.origin}/admin/pool`);
  // The sample video is on its way: the pool has grown for it, and says so.
  await expect(page.getByTestId('events')).toContainText('grow', { timeout: 60_000 });
  await page.getByRole('button', { name: 'Keep warm' }).click();
  await expect(page.getByTestId('events')).toContainText('Admin keeps one warm for 10 minutes.');
  const idle = page.getByTestId('machine').filter({ hasText: /Slot \d idle/ });
  await expect(idle.first()).toBeVisible({ timeout: 90_000 });
  await expectNoSeriousProblem(page);
  await page.getByRole('button', { name: 'Let it go' }).click();
  await idle.first().getByRole('button', { name: 'Drain' }).click();
  await expect(page.getByTestId('events')).toContainText('Admin drains it.');
  await expect(page.getByTestId('machine-count')).toContainText('0 of', { timeout: 60_000 });
  await page.getByLabel('Machines at most').fill('3');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByTestId('machine-count')).toContainText('0 of 3');
  await page.getByLabel('Machines at least').fill('4');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('alert')).toContainText('The minimum can’t be more than the maximum.');

  const viewer = await invite(browser, admin, app.origin, 'Vera', 'viewer');
  for (const name of ['pool', 'system']) expect((await viewer.page.goto(`${app.origin}/admin/${name}`))?.status()).toBe(403);
});

test('the system page says that all is well, and at once when the worker is gone', async ({ request }) => {
  test.setTimeout(120_000);
  const { page } = admin;
  await page.goto(`${app.origin}/admin/system`);
  await expect(page.getByTestId('troubles')).toContainText('All is well', { timeout: 40_000 });
  await expectNoSeriousProblem(page);
  app.worker.kill('SIGTERM');
  await expect(page.getByTestId('troubles')).toContainText('Nobody works on the queue media_processing', { timeout: 60_000 });

  expect(await (await request.get(`${app.origin}/readyz`)).json()).toMatchObject({ status: 'ready' });
  expect((await request.get(`${app.origin}/healthz`)).status()).toBe(200);
  expect((await request.get(`${app.origin}/metrics`)).status()).toBe(401);
  const metrics = await request.get(`${app.origin}/metrics`, { headers: { authorization: 'Bearer a-token-for-scrapers' } });
  expect(await metrics.text()).toMatch(
    /heaters_http_request_duration_seconds_count\{method="GET",route="\/\(app\)\/admin\/pool",status="200"\} [1-9]/,
  );
  expect(await metrics.text()).toMatch(/heaters_sockets_open [1-9]/);
});
