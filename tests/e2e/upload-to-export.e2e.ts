import { execFileSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test, type BrowserContext, type Page } from '@playwright/test';
import { startApp, type RunningApp } from '../support/app.ts';

let app: RunningApp;
let context: BrowserContext;
let page: Page;

test.describe.configure({ mode: 'serial' });

test.beforeAll(async ({ browser }) => {
  app = await startApp();
  context = await browser.newContext();
  page = await context.newPage();
});

test.afterAll(async () => {
  await context.close();
  await app.stop();
});

test('a stranger sees the log-in page, and gets no media', async ({ browser }) => {
  const stranger = await browser.newContext();
  const strangersPage = await stranger.newPage();
  await strangersPage.goto(`${app.origin}/`);
  await expect(strangersPage).toHaveURL(/\/login/);
  expect((await stranger.request.get(`${app.origin}/media/proxies/1/x/proxy.mp4`)).status()).toBeGreaterThanOrEqual(400);
  await stranger.close();
});

test('the printed link logs the first admin in, and the sample goes through the pipeline live', async () => {
  await page.goto(app.loginUrl);
  await page.getByRole('button').first().click();
  await expect(page).toHaveURL(/\/account/);
  await page.goto(`${app.origin}/`);
  const card = page.getByTestId('video-card');
  await expect(card).toHaveAttribute('data-state', 'ready', { timeout: 90_000 });
  await expect(card.getByTestId('clip-count-pending')).toHaveText('6 to review');
});

test('what is not a video is refused with the reason, and the same content is recognised', async ({}, info) => {
  const text = info.outputPath('holiday “1” 🎬.mp4');
  writeFileSync(text, 'this is no video\n'.repeat(100));
  await page.goto(`${app.origin}/`);
  await page.getByTestId('upload-input').setInputFiles(text);
  await expect(page.getByTestId('upload').getByRole('alert')).toContainText('not a video');

  const film = info.outputPath('two shots.mp4');
  execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', [
    ...['-loglevel', 'error', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25:d=2', '-f', 'lavfi', '-i', 'mandelbrot=s=320x180:r=25'],
    ...['-filter_complex', '[1]trim=end_frame=50,setpts=N/25/TB[b];[0][b]concat=n=2', '-pix_fmt', 'yuv420p', '-y', film],
  ]);
  await page.getByTestId('upload-input').setInputFiles(film);
  await expect(page.locator('[data-testid=video-card]', { hasText: 'two shots' })).toHaveAttribute('data-state', 'ready', {
    timeout: 60_000,
  });
  await page.reload();
  await page.getByTestId('upload-input').setInputFiles(film);
  await expect(page.getByTestId('upload')).toContainText('already here');
});

test('two windows, one decision: both show it, and undo takes it back in both', async () => {
  const watcher = await context.newPage();
  await page.goto(`${app.origin}/review/1`);
  await watcher.goto(`${app.origin}/review/1`);
  await expect(page.getByTestId('connection')).toContainText('Live');
  await expect(watcher.getByTestId('connection')).toContainText('Live');
  await expect(page.getByTestId('clip-player')).toBeVisible();
  const first = await page.getByTestId('current-clip').getAttribute('data-clip-id');

  await page.keyboard.press('a');
  await expect(page.getByTestId('current-clip')).not.toHaveAttribute('data-clip-id', first ?? '');
  for (const window of [page, watcher]) await expect(window.getByTestId('clip-count-pending')).toHaveText('5');
  await page.keyboard.press('u');
  for (const window of [page, watcher]) await expect(window.getByTestId('clip-count-pending')).toHaveText('6');
  await page.keyboard.press('a');
  await expect(watcher.getByTestId('clip-count-pending')).toHaveText('5');
  await watcher.close();
});

test('a window that was offline catches up without a reload', async ({ browser }) => {
  const other = await browser.newContext({ storageState: await context.storageState() });
  const otherPage = await other.newPage();
  await otherPage.goto(`${app.origin}/review/1`);
  await expect(otherPage.getByTestId('clip-count-pending')).toHaveText('5');
  await expect(otherPage.getByTestId('connection')).toContainText('Live');
  await other.setOffline(true);
  await page.keyboard.press('s');
  await expect(page.getByTestId('clip-count-pending')).toHaveText('4');
  await other.setOffline(false);
  await expect(otherPage.getByTestId('clip-count-pending')).toHaveText('4', { timeout: 40_000 });
  await other.close();
});

test('stepping is frame-accurate; split, move and merge keep the video whole', async () => {
  await page.goto(`${app.origin}/review/1`);
  await expect(page.getByTestId('clip-player')).toBeVisible();
  const clips = page.getByTestId('cut-timeline').getByRole('button');
  await expect(clips).toHaveCount(6);
  await page.keyboard.press('Space');
  const frameNow = async () => Number(/frame (\d+)/.exec((await page.getByTestId('current-timecode').textContent()) ?? '')?.[1]);
  await page.keyboard.press('ArrowRight');
  const before = await frameNow();
  await page.keyboard.press('ArrowRight');
  await expect.poll(frameNow).toBe(before + 1);
  await page.keyboard.press('c');
  await expect(clips).toHaveCount(7);
  await page.keyboard.press(']');
  await expect(page.getByText('Cut moved')).toBeVisible();
  await page.keyboard.press('m');
  await expect(clips).toHaveCount(6);
});

test('an approved clip downloads with exactly its frames, and a selection as a zip', async ({}, info) => {
  await page.goto(`${app.origin}/exports`);
  const row = page.getByTestId('export-row').first();
  await expect(row).toHaveAttribute('data-state', 'exported', { timeout: 60_000 });
  const frames = Number(await row.getByTestId('frame-count').textContent());
  const [download] = await Promise.all([page.waitForEvent('download'), row.getByTestId('download-clip').click()]);
  const file = info.outputPath('clip.mp4');
  await download.saveAs(file);
  const counted = execFileSync(process.env.FFPROBE_PATH ?? 'ffprobe', [
    ...['-v', 'error', '-count_frames', '-select_streams', 'v', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0', file],
  ]);
  expect(Number(String(counted).trim())).toBe(frames);

  await page.getByRole('button', { name: 'Select all' }).click();
  const [zip] = await Promise.all([page.waitForEvent('download'), page.getByTestId('download-zip').click()]);
  await zip.saveAs(info.outputPath('clips.zip'));
  expect(statSync(info.outputPath('clips.zip')).size).toBeGreaterThan(statSync(file).size);
});

for (const theme of ['light', 'dark']) {
  test(`axe finds nothing serious on any page, ${theme}`, async () => {
    await context.addCookies([{ name: 'theme', value: theme, url: app.origin }]);
    for (const path of [
      '/',
      '/videos/1',
      '/review/1',
      '/exports',
      '/account',
      '/deleted',
      '/admin/users',
      '/admin/library',
      '/admin/system',
    ]) {
      await page.goto(app.origin + path);
      await expect(page.locator('html')).toHaveAttribute('data-theme', theme);
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      expect(serious.map(({ id, nodes }) => `${path} ${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`)).toEqual([]);
    }
  });
}
