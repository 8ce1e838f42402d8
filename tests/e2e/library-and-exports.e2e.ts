import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { expect, test, type BrowserContext, type Page } from '@playwright/test';
import { connect } from '#lib/server/db.ts';
import { createSession } from '#lib/server/features/run-session.ts';
import { comment, markClip } from '#lib/server/features/talk.ts';
import { startApp, type RunningApp } from '../support/app.ts';
import { logInAdmin } from '../support/people.ts';
import { allRoutes, fill } from '../support/routes.ts';

let app: RunningApp;
let context: BrowserContext;
let page: Page;

test.describe.configure({ mode: 'serial' });

test.beforeAll(async ({ browser }) => {
  app = await startApp();
  ({ context, page } = await logInAdmin(browser, app.loginUrl));
});

test.afterAll(async () => {
  await context.close();
  await app.stop();
});

/** Makes a small film of its own content. */
function makeFilm(file: string, pattern: string): string {
  const source = `${pattern}=s=320x180:r=25`;
  execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', [
    ...['-loglevel', 'error', '-f', 'lavfi', '-i', source, '-t', '2', '-pix_fmt', 'yuv420p', '-b:v', '2M', '-y', file],
  ]);
  return file;
}

test('the theme is right from the first answer of the server on', async () => {
  await page.goto(`${app.origin}/`);
  await page.getByTestId('account').click();
  await page.getByRole('button', { name: 'light' }).click();
  const html = await (await context.request.get(`${app.origin}/`)).text();
  expect(html).toContain('data-theme="light"');
  await page.getByRole('button', { name: 'system' }).click();
});

test('an upload goes on while its owner walks through the app, and an unfinished one goes on after a reload', async ({}, info) => {
  const film = makeFilm(info.outputPath('walk.mp4'), 'testsrc2');
  let isHeld = true;
  // The server's first answers are held back: the upload can't end while the test walks.
  await page.route('**/uploads/**', async (route) => {
    if (isHeld && route.request().method() === 'PATCH') await route.abort('connectionfailed');
    else await route.continue();
  });
  await page.goto(`${app.origin}/`);
  await page.getByTestId('upload-input').setInputFiles(film);
  await expect(page.getByTestId('upload')).toHaveAttribute('data-state', /uploading|checking|offline/);
  await page.getByRole('link', { name: 'Exports' }).click();
  await expect(page).toHaveURL(/\/exports/);
  await expect(page.getByTestId('upload')).toHaveCount(1);

  page.once('dialog', (dialog) => void dialog.accept());
  await page.reload();
  await expect(page.getByTestId('unfinished-uploads')).toContainText('1 unfinished upload');
  isHeld = false;
  await page.getByTestId('resume-input').setInputFiles(film);
  await expect(page.getByTestId('unfinished-uploads')).toHaveCount(0);
  await expect(page.getByTestId('upload')).toHaveAttribute('data-state', 'done');
  await page.unrouteAll();
});

test('of two files with one name, the one that is put away goes and the other stays', async () => {
  const bytes = (text: string) => ({ name: 'same.mp4', mimeType: 'video/mp4', buffer: Buffer.from(text) });
  await page.goto(`${app.origin}/`);
  await page.getByTestId('upload-input').setInputFiles([bytes('one'), bytes('three')]);
  await expect(page.getByTestId('upload')).toHaveCount(2);
  await expect(page.getByTestId('upload').getByRole('alert')).toHaveCount(2);
  await page.getByTestId('upload').first().getByRole('button', { name: 'Put away' }).click();
  await expect(page.getByTestId('upload')).toHaveCount(1);
});

test('the library is searched by title and narrowed by state, and the address keeps it', async () => {
  await page.goto(`${app.origin}/`);
  const cards = page.getByTestId('video-card');
  await expect(cards).toHaveCount(2);
  await page.getByTestId('library-search').fill('WALK');
  await expect(cards).toHaveCount(1);
  await page.reload();
  await expect(cards).toHaveCount(1);
  await page.getByTestId('library-filter').selectOption('failed');
  await expect(page.getByText('Nothing matches')).toBeVisible();
  await page.getByRole('button', { name: 'Show all videos' }).click();
  await expect(cards).toHaveCount(2);
});

test('an address that can’t be a video is refused beside what was typed', async () => {
  await page.goto(`${app.origin}/`);
  await page.getByTestId('url-input').fill('ftp://example.com/film.mp4');
  await page.getByRole('button', { name: 'Download' }).click();
  await expect(page.getByRole('alert')).toContainText('https://');
  await expect(page.getByTestId('url-input')).toHaveValue('ftp://example.com/film.mp4');
});

test('each clip has a still on the video’s page, and pointing at it scrubs through the clip', async ({ browser }, info) => {
  const card = page
    .getByTestId('video-card')
    .filter({ hasText: /sample/i })
    .first();
  await page.goto(`${app.origin}/`);
  await expect(card).toHaveAttribute('data-state', 'ready', { timeout: 120_000 });
  await card.getByRole('heading').getByRole('link').click();
  const clips = page.getByRole('list', { name: 'Clips' }).getByRole('listitem');
  const still = clips.first().getByTestId('clip-still');
  const picture = still.locator('img').first();
  await expect(picture).toHaveAttribute('src', /-small\.webp$/, { timeout: 60_000 });
  await still.scrollIntoViewIfNeeded();
  await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(100);
  await expect(still.locator('canvas')).toHaveCount(0);

  // Also as the server renders it: nothing that the content security policy stops.
  const errors: string[] = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.reload();
  await still.scrollIntoViewIfNeeded();
  await expect(still.locator('canvas')).toHaveCount(0);
  expect(errors).toEqual([]);
  page.removeAllListeners('console');

  const box = (await still.boundingBox())!;
  await page.mouse.move(box.x + 2, box.y + box.height / 2);
  await expect(still).toHaveAttribute('data-tile', '0');
  await page.mouse.move(box.x + box.width - 2, box.y + box.height / 2);
  await expect(still).toHaveAttribute('data-tile', '11');
  await expect(still.locator('.strip')).toHaveCSS('background-position', '100% 0px');
  await page.screenshot({ path: info.outputPath('stills.png') });
  await page.mouse.move(0, 0);
  await expect(still.locator('.strip')).toHaveCount(0);

  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
  await page.setViewportSize({ width: 1440, height: 900 });

  // A picture of a clip is for people of the library alone, and only a picture.
  const src = (await picture.getAttribute('src'))!;
  const stranger = await browser.newContext();
  const answer = await stranger.request.get(`${app.origin}${src}`, { maxRedirects: 0 });
  expect(answer.headers().location ?? '').not.toContain('Signature');
  await stranger.close();
  for (const name of ['..%2f..%2fproxy.mp4', 'other.webp', '12.webp']) {
    const refused = await context.request.get(`${app.origin}${src.replace(/[^/]+$/, name)}`, { maxRedirects: 0 });
    expect(refused.status(), name).toBe(404);
  }
});

test('shift selects a range of exports, and the log tells who approved', async () => {
  await page.goto(`${app.origin}/`);
  await expect(page.locator('[data-testid=video-card]', { hasText: 'Sample' })).toHaveAttribute('data-state', 'ready', { timeout: 90_000 });
  await page.goto(`${app.origin}/exports`);
  await expect(page.getByTestId('exports-empty')).toBeVisible();

  const reviewer = await context.newPage();
  await reviewer.goto(`${app.origin}/review/1`);
  for (const left of ['5', '4', '3']) {
    await expect(reviewer.getByTestId('clip-player')).toBeVisible();
    await reviewer.keyboard.press('a');
    await expect(reviewer.getByTestId('clip-count-pending')).toHaveText(left);
  }
  await reviewer.close();

  // No reload: the page hears of each export by itself.
  const rows = page.getByTestId('export-row');
  await expect(rows.and(page.locator('[data-state=exported]'))).toHaveCount(3, { timeout: 60_000 });
  await rows.nth(0).getByRole('checkbox').click();
  await rows
    .nth(2)
    .getByRole('checkbox')
    .click({ modifiers: ['Shift'] });
  await expect(page.getByTestId('download-zip')).toHaveText('Download 3 as zip');
  await rows.nth(1).getByRole('checkbox').focus();
  await page.keyboard.press('Space');
  await expect(page.getByTestId('download-zip')).toHaveText('Download 2 as zip');

  await page.goto(`${app.origin}/videos/1`);
  await expect(page.getByTestId('video-log')).toContainText('approved the clip at 00:00:00:00');
});

test('names of exports follow the template, and a clip is exported again from the master', async () => {
  await page.goto(`${app.origin}/exports`);
  await page.getByTestId('export-settings').locator('summary').click();
  const template = page.getByLabel('Names of files');
  await template.fill('{titel}');
  await expect(page.getByTestId('name-example')).toContainText('There is no {titel}');
  await template.fill('{title} {start}');
  await expect(page.getByTestId('name-example')).toContainText(' 0.mp4');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.reload();
  await page.getByTestId('export-settings').locator('summary').click();
  await expect(template).toHaveValue('{title} {start}');

  const row = page.getByTestId('export-row').first();
  await row.getByRole('checkbox').click();
  await page.getByRole('button', { name: 'Export again from the master' }).click();
  await expect(page.getByTestId('export-batch')).toContainText('1 clip is on the way');
  await expect(page.getByTestId('export-batch')).toHaveCount(0, { timeout: 60_000 });
  await expect(row).toHaveAttribute('data-state', 'exported');
});

test('the cut list of a video downloads for an editor', async () => {
  await page.goto(`${app.origin}/videos/1`);
  await page.getByText('Cut list', { exact: true }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'EDL (CMX3600)' }).click()]);
  expect(download.suggestedFilename()).toMatch(/\.edl$/);
  const stream = await download.createReadStream();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toMatch(/^TITLE: .*\r\nFCM: NON-DROP FRAME\r\n\r\n001 /);
});

test('a removed video is gone from every window, and one click brings it back', async () => {
  const other = await context.newPage();
  await other.goto(`${app.origin}/`);
  const card = other.locator('[data-testid=video-card][data-video-id="1"]');
  await expect(card).toBeVisible();
  await page.goto(`${app.origin}/videos/1`);
  await expect(page.getByTestId('connection')).toHaveText('Live');
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(card).toHaveCount(0);
  await page.goto(`${app.origin}/deleted`);
  await expect(page.getByTestId('deleted-video')).toHaveCount(1);
  expect((await page.request.get(`${app.origin}/videos/1`)).status()).toBe(404);
  await page.getByRole('button', { name: /^Bring back/ }).click();
  await expect(page.getByText('Nothing here')).toBeVisible();
  // No reload: the other window hears of it.
  await expect(card).toBeVisible();
  await other.close();
});

test('markup in any text that people enter is shown as they wrote it, on every page', async () => {
  test.setTimeout(300_000);
  const markup = '<b data-planted></b><img src=x onerror=planted=1><script>planted=1</script>"';
  const sql = connect(app.databaseUrl, 2);
  const admin = { userId: 1, name: markup, role: 'admin' } as const;
  await expect.poll(async () => (await sql`select from videos where id = 1 and state = 'ready'`).length, { timeout: 60_000 }).toBe(1);
  await sql`update users set name = ${markup} where id = 1`;
  await sql`update videos set title = ${markup}, file_name = ${markup}`;
  await sql`update videos set state = 'failed', failed_stage = 'encode', error = ${markup} where id <> 1`;
  const [clip] = await sql<{ id: number }[]>`select min(id) as id from clips where video_id = 1 and superseded_at is null`;
  const session = await createSession(sql, admin, {
    ...{ title: markup, mode: 'divide', votesNeeded: 1 },
    source: { kind: 'videos', videoIds: [1] },
  });
  if (session.kind !== 'ok') throw new Error(session.message);
  const said = {
    kind: 'add',
    id: randomUUID(),
    videoId: 1,
    parentId: null,
    startFrame: 0,
    endFrame: 9,
    body: `@${markup} ${markup}`,
  } as const;
  expect(await comment(sql, { userId: 1, name: 'Ann', role: 'admin' }, said)).toEqual({ kind: 'ok' });
  await sql`update comments set mentions = '{1}'`;
  for (const tag of [markup.slice(0, 40), '<svg/onload=planted=1>']) {
    expect(await markClip(sql, admin, { kind: 'tag', clipId: clip!.id, tag, isOn: true })).toEqual({ kind: 'ok' });
  }
  await sql`update clips set export_state = 'failed', export_error = ${markup}, state = 'approved' where id = ${clip!.id}`;
  await sql.end();

  const values: Record<string, string | number> = { videoId: 1, sessionId: session.sessionId };
  const pages = (await allRoutes()).filter(({ isPage, address }) => isPage && !/token|logout/.test(address));
  expect(pages.length).toBeGreaterThan(12);
  let shownOn = 0;
  for (const { address } of pages) {
    await page.goto(app.origin + fill(address, (name) => String(values[name] ?? 1)));
    await page.waitForLoadState('networkidle').catch(() => undefined);
    const found = await page.evaluate(() => ({
      planted: document.querySelectorAll('[data-planted]').length,
      ran: 'planted' in window,
      isShown: (document.body.textContent ?? '').includes('<b data-planted>'),
    }));
    expect(found, address).toMatchObject({ planted: 0, ran: false });
    if (found.isShown) shownOn += 1;
  }
  expect(shownOn).toBeGreaterThan(7);
});
