import AxeBuilder from '@axe-core/playwright';
import { expect, test, type BrowserContext, type Page } from '@playwright/test';
import postgres from 'postgres';
import { startApp, type RunningApp } from '../support/app.ts';
import { invite, logInAdmin } from '../support/people.ts';

let app: RunningApp;
let context: BrowserContext;
let page: Page;
let sql: postgres.Sql;

test.describe.configure({ mode: 'serial' });

test.beforeAll(async ({ browser }) => {
  app = await startApp();
  sql = postgres(app.databaseUrl, { max: 2 });
  ({ context, page } = await logInAdmin(browser, app.loginUrl));
});

test.afterAll(async () => {
  await context.close();
  await sql.end();
  await app.stop();
});

const row = (on: Page, label: string) => on.locator('[data-job-id]', { hasText: label }).first();
const count = (on: Page, queue: string, state: string) => on.getByTestId(`count-${queue}-${state}`).locator('b');

test('a job that fails is seen with its reason in every window, retried by key, and done', async ({}, info) => {
  // It begins with the sample's whole way through the pipeline.
  test.setTimeout(300_000);
  await page.goto(`${app.origin}/admin/queues?stage=keyframes`);
  const other = await context.newPage();
  await other.goto(`${app.origin}/admin/queues`);
  await expect(row(page, 'Keyframes')).toHaveAttribute('data-state', 'completed', { timeout: 200_000 });
  const done = Number(await count(other, 'background_jobs', 'completed').textContent());

  // Stills are missing, and can't be made: the video has lost its proxy.
  await page.getByRole('button', { name: 'Pause background_jobs' }).click();
  await expect(page.getByTestId('queue-background_jobs')).toContainText('paused');
  await expect(other.getByTestId('queue-background_jobs')).toContainText('paused');
  const [video] = await sql<{ id: number; proxyKey: string }[]>`select id, proxy_key as "proxyKey" from videos`;
  await sql`update videos set proxy_key = 'proxies/lost.mp4' where id = ${video!.id}`;
  await sql`delete from clip_stills`;
  await page.getByRole('button', { name: 'Run now: dispatch' }).click();
  await expect(count(other, 'background_jobs', 'created')).toHaveText('1');
  await expect(row(page, 'Keyframes')).toHaveAttribute('data-state', 'created');
  await row(page, 'Keyframes').getByRole('link').click();
  await expect(page.getByTestId('waits-for')).toContainText('paused');
  await other.getByRole('button', { name: 'Resume background_jobs' }).click();

  await expect(page.getByTestId('job-state-now')).toHaveText('failed', { timeout: 60_000 });
  await expect(page.getByRole('alert').first()).toContainText(/\w/);
  await expect(page.getByTestId('job-log')).toContainText('stage failed for good');
  await expect(count(other, 'background_jobs', 'failed')).toHaveText('1');
  await page.screenshot({ path: info.outputPath('job.png'), fullPage: true });
  const accessible = await new AxeBuilder({ page }).analyze();
  expect(accessible.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([]);

  await sql`update videos set proxy_key = ${video!.proxyKey} where id = ${video!.id}`;
  await page.keyboard.press('r');
  await expect(page.getByText('1 job will be tried again')).toBeVisible();
  await expect(page.getByTestId('job-state-now')).toHaveText('done', { timeout: 60_000 });
  await expect(count(other, 'background_jobs', 'failed')).toHaveText('0');
  await expect.poll(async () => Number(await count(other, 'background_jobs', 'completed').textContent())).toBeGreaterThan(done);
  await other.close();
});

test('by keyboard: down the list, select, cancel what waits, undo; all of it in the audit log', async ({}, info) => {
  await page.goto(`${app.origin}/admin/queues`);
  await page.getByRole('button', { name: 'Pause default' }).click();
  await expect(page.getByTestId('queue-problem')).toContainText('no schedule is running');
  await page.getByRole('button', { name: 'Run now: sweep' }).click();
  await page.keyboard.press('/');
  await expect(page.getByTestId('job-search')).toBeFocused();
  await page.getByTestId('job-search').fill('sweep');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/text=sweep/);
  await expect(row(page, 'sweep')).toHaveAttribute('data-state', 'created');
  await page.locator('h1').click();
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await expect(page.getByTestId('job-count')).toContainText('1 selected');
  await page.keyboard.press('c');
  await expect(row(page, 'sweep')).toHaveAttribute('data-state', 'cancelled');
  await page.keyboard.press('u');
  await expect(row(page, 'sweep')).toHaveAttribute('data-state', 'created');
  await page.keyboard.press('?');
  await expect(page.getByTestId('shortcuts')).toContainText('Retry it');
  await page.keyboard.press('Escape');
  await page.screenshot({ path: info.outputPath('queues.png'), fullPage: true });
  const accessible = await new AxeBuilder({ page }).analyze();
  expect(accessible.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
  await page.getByRole('button', { name: 'Resume default' }).click();
  await expect(row(page, 'sweep')).toHaveAttribute('data-state', 'completed');

  await page.goto(`${app.origin}/admin/audit`);
  for (const action of ['queue.resume', 'job.undo', 'job.cancel', 'schedule.run', 'queue.pause']) {
    await expect(page.getByTestId('audit')).toContainText(action);
  }
  await page.goto(`${app.origin}/admin/audit?target=queue:default`);
  await expect(page.getByTestId('audit').locator('tbody tr')).toHaveCount(2);
});

test('is for admins alone', async ({ browser }) => {
  const admin = { name: 'Admin', context, page };
  const bob = await invite(browser, admin, app.origin, 'Bob', 'reviewer');
  const headers = { origin: app.origin, 'content-type': 'application/json' };
  for (const path of ['/admin/queues', '/admin/queues/jobs', '/admin/queues/overview', '/admin/audit']) {
    expect((await bob.page.request.get(app.origin + path)).status()).toBe(403);
  }
  const command = { kind: 'pause', queue: 'exports', isPaused: true };
  expect((await bob.page.request.post(`${app.origin}/admin/queues/act`, { data: command, headers })).status()).toBe(403);
  const foreign = { ...headers, origin: 'https://elsewhere.example' };
  expect((await page.request.post(`${app.origin}/admin/queues/act`, { data: command, headers: foreign })).status()).toBe(403);
  expect(await sql`select from queue_settings where queue = 'exports'`).toHaveLength(0);
  await bob.context.close();
});
