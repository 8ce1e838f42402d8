import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import { expect, test, type BrowserContext, type Page } from '@playwright/test';
import { startApp, type RunningApp } from '../support/app.ts';
import { invite, logInAdmin } from '../support/people.ts';

let app: RunningApp;
let context: BrowserContext;
let page: Page;

test.describe.configure({ mode: 'serial' });

test.beforeAll(async ({ browser }, info) => {
  const folder = info.outputPath('model');
  execFileSync(process.env.HEATERS_PYTHON ?? 'python3', ['python/tests/small_model.py', folder]);
  expect(JSON.parse(readFileSync(path.join(folder, 'model.json'), 'utf8'))).toMatchObject({ name: 'colours' });
  app = await startApp(undefined, 1, { MODEL_DIR: folder });
  ({ context, page } = await logInAdmin(browser, app.loginUrl));
});

test.afterAll(async () => {
  await context.close();
  await app.stop();
});

const results = () => page.getByTestId('search-results').locator('li');

test('all clips are found by meaning once they are embedded, and a text orders them by likeness', async ({}, info) => {
  test.setTimeout(240_000);
  await expect(async () => {
    await page.goto(`${app.origin}/search?q=red`);
    await expect(results().first()).toBeVisible({ timeout: 2_000 });
    await expect(page.getByText('can be found by meaning so far')).toHaveCount(0, { timeout: 500 });
  }).toPass({ timeout: 180_000 });
  await page.getByTestId('search-text').fill('blue');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/q=blue/);
  await expect(results().first()).toContainText('% alike');
  const likeness = (await results().locator('.foot').allTextContents()).map((text) => parseInt(text));
  expect(likeness).toEqual([...likeness].sort((one, other) => other - one));
  expect(likeness.length).toBeGreaterThan(2);
  await page.screenshot({ path: info.outputPath('search.png') });
  const accessible = await new AxeBuilder({ page }).analyze();
  expect(accessible.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
});

test('by keyboard: to the text, through the results, to more like the one in hand; Back goes back', async () => {
  await page.keyboard.press('/');
  await expect(page.getByTestId('search-text')).toBeFocused();
  await results().first().locator('a.open').focus();
  await page.keyboard.press('ArrowRight');
  await expect(results().nth(1).locator('a.open')).toBeFocused();
  const clipId = await results().nth(1).getAttribute('data-clip-id');
  await page.keyboard.press('l');
  await expect(page).toHaveURL(new RegExp(`like=${clipId}`));
  await expect(page.getByTestId('search-like')).toContainText(`More like clip ${clipId}`);
  await expect(page.locator(`[data-clip-id="${clipId}"]`)).toHaveCount(0);
  await page.goBack();
  await expect(page).toHaveURL(/q=blue/);
  await expect(page.locator(`[data-clip-id="${clipId}"]`)).toHaveCount(1);
});

test('filters combine with the text, nothing found says so, and what is found becomes a session', async () => {
  await page.getByTestId('search-state').selectOption('approved');
  await expect(page.getByTestId('search-empty')).toBeVisible();
  expect(new URL(page.url()).searchParams.get('q')).toBe('blue');
  await page.getByTestId('search-state').selectOption('pending');
  await expect(results().first()).toBeVisible();
  await page.getByTestId('start-session').click();
  await page.getByTestId('create-session').click();
  await expect(page).toHaveURL(/\/sessions\/\d+/);
  // What is in a session under way is left to it.
  await page.getByTestId('end-session').click();
  await expect(page.getByTestId('end-session')).toBeHidden();
  await page.goto(`${app.origin}/search?q=blue`);
  const clipId = await results().first().getAttribute('data-clip-id');
  await results().first().locator('a.open').click();
  await expect(page.getByTestId('current-clip')).toHaveAttribute('data-clip-id', clipId ?? '');
});

test('an image that is chosen finds clips like it, a colour those that have it; a file that is none is refused', async ({}, info) => {
  const image = info.outputPath('blue.png');
  execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', [
    ...['-loglevel', 'error', '-f', 'lavfi', '-i', 'color=c=0x2040e0:s=2400x1600,noise=alls=40', '-frames:v', '1', image],
  ]);
  await page.goto(`${app.origin}/search`);
  await expect(page.getByTestId('connection')).toHaveText('Live');
  await page.getByTestId('search-image').setInputFiles(image);
  await expect(page).toHaveURL(/image=[0-9a-f]{32}/);
  await expect(page.getByTestId('search-image-chip').locator('img')).toHaveJSProperty('complete', true);
  expect(
    await page
      .getByTestId('search-image-chip')
      .locator('img')
      .evaluate((shown: HTMLImageElement) => shown.naturalWidth),
  ).toBe(320);
  await expect(results().first()).toContainText('% alike');
  await page.getByTestId('search-image').setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
  await expect(page.getByText('This is no image that can be searched with')).toBeVisible();
  await page.getByTestId('search-image-chip').getByText('Clear').click();
  await expect(page.getByTestId('search-image-chip')).toHaveCount(0);
  // A clip's own colours are on its card, and find it.
  await expect(async () => {
    await page.goto(`${app.origin}/search`);
    await expect(results().first().locator('.swatches a').first()).toBeVisible({ timeout: 2_000 });
  }).toPass({ timeout: 60_000 });
  const clipId = await results().first().getAttribute('data-clip-id');
  await results().first().locator('.swatches a').first().click();
  await expect(page).toHaveURL(/color=[0-9a-f]{6}/);
  await expect(page.locator(`[data-clip-id="${clipId}"]`)).toContainText('% of it');
  await page.getByTestId('search-color').click();
  await page.getByRole('link', { name: 'Any colour' }).click();
  await expect(page).toHaveURL(`${app.origin}/search?`);
});

test('results change as a colleague decides, and a saved search says what is new; what is chosen is approved, exported and undone', async ({
  browser,
}, info) => {
  const ben = await invite(browser, { name: 'Admin', context, page }, app.origin, 'Ben', 'reviewer');
  await page.goto(`${app.origin}/search?state=skipped`);
  await expect(page.getByTestId('search-empty')).toBeVisible();
  await page.getByTestId('save-search').click();
  await page.getByTestId('search-name').fill('Skipped ones');
  await page.getByLabel('Everybody sees it').check();
  await page.getByTestId('save-search-confirm').click();
  await expect(page.getByTestId('saved-searches')).toContainText('Skipped ones');

  await ben.page.goto(`${app.origin}/search?state=pending`);
  await expect(ben.page.getByTestId('saved-searches')).toContainText('Skipped ones');
  const [first] = await ben.page
    .getByTestId('search-results')
    .locator('li')
    .evaluateAll((items) => items.map((item) => item.dataset.clipId));
  const decider = await ben.context.newPage();
  await decider.goto(`${app.origin}/search?state=pending`);
  await decider.locator(`[data-clip-id="${first}"] a.open`).click();
  await expect(decider.getByTestId('current-clip')).toHaveAttribute('data-clip-id', first ?? '');
  await decider.keyboard.press('s');
  // It stays where it is, with its new state; elsewhere it waits until it is asked for.
  await expect(ben.page.locator(`[data-clip-id="${first}"] [data-testid="clip-state"]`)).toHaveText('skipped');
  await expect(page.getByTestId('search-fresh')).toHaveText('1 new result: show');
  await expect(page.getByTestId('saved-new')).toHaveText('1 new');
  await page.getByTestId('search-fresh').click();
  await expect(results()).toHaveCount(1);
  await expect(page.getByTestId('saved-new')).toHaveCount(0);

  await page.goto(`${app.origin}/search`);
  await page.getByTestId('choose-all').click();
  await page.getByTestId('approve-and-export').click();
  await expect(page.getByRole('dialog')).toContainText('1 skipped or archived stay as decided');
  await page.screenshot({ path: info.outputPath('approve.png') });
  await page.getByTestId('confirm-approve').click();
  await expect(page.locator('[data-testid="clip-state"]', { hasText: 'pending' })).toHaveCount(0);
  await expect(page.locator('[data-testid="clip-state"]', { hasText: 'skipped' })).toHaveCount(1);
  await expect(page.getByTestId('download-chosen')).toBeVisible({ timeout: 60_000 });
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.locator('[data-testid="clip-state"]', { hasText: 'approved' })).toHaveCount(0);

  await page.goto(`${app.origin}/search?state=skipped`);
  await page.getByRole('button', { name: 'Change' }).click();
  await page.getByTestId('delete-search').click();
  await expect(ben.page.getByTestId('saved-searches')).toHaveCount(0);
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(ben.page.getByTestId('saved-searches')).toContainText('Skipped ones');
  // And what is taken back is found again.
  await decider.goto(`${app.origin}/review/${await videoOf(first)}?clip=${first}`);
  await expect(decider.getByTestId('current-clip')).toHaveAttribute('data-clip-id', first ?? '');
  await decider.keyboard.press('u');
  await expect(ben.page.locator(`[data-clip-id="${first}"] [data-testid="clip-state"]`)).toHaveText('pending');
  await ben.context.close();
});

/** The video of a clip on the page. */
async function videoOf(clipId: string | undefined): Promise<string | undefined> {
  const href = await page.locator(`[data-clip-id="${clipId}"] a.open`).getAttribute('href');
  return /review\/(\d+)/.exec(href ?? '')?.[1];
}

test('clips like the one under review are shown beside it, with their decisions as they are made', async ({}, info) => {
  const alike = page.getByTestId('alike-clips').locator('li');
  // The two colourful clips of the sample are like one another.
  await page.goto(`${app.origin}/search?q=bright`);
  const clipIds = await results().evaluateAll((items) => items.map((item) => item.dataset.clipId));
  let shown = 0;
  for (const clipId of clipIds) {
    await page.goto(`${app.origin}/search`);
    await page.locator(`[data-clip-id="${clipId}"] a.open`).click();
    await expect(page.getByTestId('current-clip')).toHaveAttribute('data-clip-id', clipId ?? '');
    shown = await alike
      .first()
      .waitFor({ timeout: 1_500 })
      .then(
        () => alike.count(),
        () => 0,
      );
    if (shown > 0) break;
  }
  expect(shown).toBeGreaterThan(0);
  await page.screenshot({ path: info.outputPath('alike.png') });
  await expect(alike.first()).toContainText('pending');
  const otherId = Number(new URL((await alike.first().locator('a').getAttribute('href')) ?? '', app.origin).searchParams.get('clip'));
  const [videoId, here] = [page.url().match(/review\/(\d+)/)?.[1], page.url()];
  const colleague = await context.newPage();
  await colleague.goto(`${app.origin}/review/${videoId}?clip=${otherId}`);
  await expect(colleague.getByTestId('current-clip')).toHaveAttribute('data-clip-id', String(otherId));
  await colleague.keyboard.press('s');
  await expect(alike.first()).toContainText('skipped');
  expect(page.url()).toBe(here);
  await colleague.close();
  await alike.first().locator('a').click();
  await expect(page.getByTestId('current-clip')).toHaveAttribute('data-clip-id', String(otherId));
});

test('all clips like one are decided at once: a threshold, a preview, every window sees it, one undo takes all back', async ({}, info) => {
  await page.keyboard.press('r');
  await expect(page.getByTestId('current-clip')).toContainText('pending');
  const colleague = await context.newPage();
  await colleague.goto(page.url());
  const waiting = colleague.getByTestId('clip-count-pending');
  await expect(waiting).toHaveText((await page.getByTestId('clip-count-pending').textContent()) ?? '');
  const before = Number(await waiting.textContent());
  await page.keyboard.press('l');
  const slider = page.getByTestId('alike-slider');
  await expect(slider).toBeFocused();
  await expect(page.getByTestId('alike-percent')).toHaveText('95 %');
  await slider.press('Home');
  await expect(page.getByTestId('alike-percent')).toHaveText('45 %');
  const taken = page.getByTestId('alike-preview').locator('li[data-standing=open]');
  await expect(taken.nth(1)).toBeVisible();
  const count = await taken.count();
  await expect(page.getByTestId('alike-count')).toHaveText(`${count} clips`);
  await page.screenshot({ path: info.outputPath('decide-alike.png'), fullPage: true });
  const accessible = await new AxeBuilder({ page }).include('[data-testid=decide-alike]').analyze();
  expect(accessible.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
  await page.keyboard.press('Shift+S');
  await expect(page.getByText(`Skipped ${count} clips.`)).toBeVisible();
  await expect(waiting).toHaveText(String(before - count));
  await expect(page.getByTestId('undo-words')).toContainText(`${count} clips at once`);
  await page.keyboard.press('u');
  await expect(waiting).toHaveText(String(before));
  await colleague.close();
});
