import { execFileSync } from 'node:child_process';
import { chromium, expect, test, type Browser, type Page } from '@playwright/test';
import { startApp, type RunningApp } from '../support/app.ts';
import { startS3Server, type S3Server } from '../support/s3-server.ts';

// With a bucket, a browser's uploads go past the app: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html

let s3: S3Server;
let app: RunningApp;
let browser: Browser;
let page: Page;
const saved = { ...process.env };

test.beforeAll(async () => {
  s3 = await startS3Server();
  Object.assign(process.env, s3.environment);
  app = await startApp();
  await s3.allowOrigin(app.origin);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  page = await browser.newPage();
  await page.goto(app.loginUrl);
  await page.getByRole('button').first().click();
  await page.waitForURL(/\/account/);
});
test.afterAll(async () => {
  await browser.close();
  await app.stop();
  await s3.close();
  for (const name of Object.keys(s3.environment)) delete process.env[name];
  Object.assign(process.env, saved);
});

/** A film of more than two parts. */
function film(name: string): string {
  const file = test.info().outputPath(name);
  const noise = ['-f', 'lavfi', '-i', 'testsrc2=s=640x360:r=25:d=4,noise=alls=90:allf=t'];
  execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', [
    '-loglevel',
    'error',
    '-y',
    ...noise,
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-qp',
    '4',
    file,
  ]);
  return file;
}

test('an upload goes by parts straight to the bucket, goes on after a part was lost, and becomes a video', async () => {
  const file = film('straight.mp4');
  const sent: string[] = [];
  let isCut = true;
  await page.route(`${s3.settings.endpoint}/**`, async (route) => {
    const { pathname, searchParams } = new URL(route.request().url());
    if (route.request().method() === 'PUT') sent.push(`${pathname.split('/')[2]} ${searchParams.get('partNumber')}`);
    if (isCut && searchParams.get('partNumber') === '2') await route.abort('connectionreset');
    else await route.continue();
    if (searchParams.get('partNumber') === '2') isCut = false;
  });
  await page.goto(`${app.origin}/`);
  await page.getByTestId('upload-input').setInputFiles(file);
  await expect(page.getByTestId('upload').first()).toHaveAttribute('data-state', 'done', { timeout: 60_000 });
  expect(sent).toEqual(expect.arrayContaining(['originals 1', 'originals 2', 'originals 3']));
  expect(sent.filter((part) => part === 'originals 2').length).toBeGreaterThanOrEqual(2);
  const card = page.locator('[data-testid=video-card]', { hasText: 'straight' });
  await expect(card).toHaveAttribute('data-state', 'ready', { timeout: 90_000 });
  // It plays from the bucket too.
  await page.goto(`${app.origin}/videos/${await card.getAttribute('data-video-id')}`);
  await expect(page.getByTestId('master')).toHaveAttribute('data-state', 'archived');
});

test('what is no video is refused with the reason', async () => {
  await page.goto(`${app.origin}/`);
  await page.getByTestId('upload-input').setInputFiles({ name: 'notes.mp4', mimeType: 'video/mp4', buffer: Buffer.from('only words') });
  await expect(page.getByTestId('upload').getByRole('alert')).toContainText('not a video');
  expect(await s3.unfinishedUploads()).toBe(0);
});
