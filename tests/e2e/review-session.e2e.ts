import { AxeBuilder } from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { startApp, type RunningApp } from '../support/app.ts';
import { invite, logInAdmin, type BrowserPerson } from '../support/people.ts';

let app: RunningApp;
let ada: BrowserPerson;
let rita: BrowserPerson;
let vic: BrowserPerson;
let leo: BrowserPerson;
let sessionUrl: string;
let reviewerLink: string;

test.describe.configure({ mode: 'serial' });

test.beforeAll(async ({ browser }) => {
  test.setTimeout(180_000);
  app = await startApp(undefined, 2);
  ada = await logInAdmin(browser, app.loginUrl);
  await ada.page.goto(app.origin);
  await expect(ada.page.getByTestId('video-card')).toHaveAttribute('data-state', 'ready', { timeout: 90_000 });
  rita = await invite(browser, ada, app.origin, 'Rita', 'reviewer');
  vic = await invite(browser, ada, app.origin, 'Vic', 'viewer');
  leo = await invite(browser, ada, app.origin, 'Leo', 'reviewer');
});

test.afterAll(async () => {
  for (const person of [ada, rita, vic, leo]) await person.context.close();
  await app.stop();
});

/** The other web node: nothing but Postgres connects the two. */
const onOtherNode = (url: string) => url.replace(app.origin, app.origins[1]!);
const frameOf = async (page: Page) => Number(/frame (\d+)/.exec((await page.getByTestId('current-timecode').textContent()) ?? '')?.[1]);
const clipOf = (page: Page) => page.getByTestId('current-clip').getAttribute('data-clip-id');
const isPending = (page: Page, count: number) => expect(page.getByTestId('clip-count-pending')).toHaveText(String(count));

async function allAt(frame: number, pages: readonly Page[]) {
  for (const page of pages) await expect.poll(() => frameOf(page)).toBe(frame);
}

/** All rest on the frame that the lead rests on. */
async function allWith(lead: Page, pages: readonly Page[]) {
  for (const page of pages) await expect.poll(async () => (await frameOf(page)) - (await frameOf(lead))).toBe(0);
}

test('a session over a video, joined by link, on two web nodes', async () => {
  await ada.page.goto(`${app.origin}/videos/1`);
  await ada.page.getByTestId('start-session').click();
  await ada.page.getByLabel('Title').fill('Dailies <b>one</b>');
  await ada.page.getByTestId('create-session').click();
  await expect(ada.page.getByRole('heading', { level: 1 })).toHaveText('Dailies <b>one</b>');
  sessionUrl = ada.page.url().split('?')[0]!;
  await ada.page.getByRole('tab', { name: /People/ }).click();
  await ada.page.getByTestId('make-invite').click();
  reviewerLink = await ada.page.getByTestId('invite-link').locator('input').inputValue();

  expect((await rita.page.request.get(sessionUrl)).status()).toBe(404);
  await rita.page.goto(onOtherNode(reviewerLink));
  await rita.page.getByTestId('join-session').click();
  await expect(rita.page).toHaveURL(/\/sessions\/1/);
  await vic.page.goto(reviewerLink);
  await expect(vic.page.getByText('to watch')).toBeVisible();
  await vic.page.getByTestId('join-session').click();
  for (const { page } of [ada, rita, vic]) {
    await expect(page.getByTestId('presence-person')).toHaveCount(3);
    await expect(page.getByTestId('clip-player')).toBeVisible();
  }
});

test('all follow the lead: clip, frame at rest, and playing', async () => {
  await ada.page.bringToFront();
  await ada.page.keyboard.press('Space');
  await ada.page.keyboard.press('ArrowRight');
  const frame = await frameOf(ada.page);
  await allAt(frame, [rita.page, vic.page]);
  await ada.page.keyboard.press('Shift+ArrowRight');
  // The first clip begins at frame 0 and loops: paused near its end, ten frames on is its beginning.
  const frameCount = Number(/· (\d+) frames/.exec((await ada.page.getByTestId('current-clip').textContent()) ?? '')?.[1]);
  await allAt((frame + 10) % frameCount, [ada.page, rita.page, vic.page]);
  await ada.page.keyboard.press('j');
  const clip = await clipOf(ada.page);
  for (const { page } of [rita, vic]) await expect(page.getByTestId('current-clip')).toHaveAttribute('data-clip-id', clip ?? '');
  // Playing by now: each comes within 80 ms of the lead.
  for (const { page } of [rita, vic]) {
    const drift = async () => Math.abs(Number((await page.getByTestId('session-bar').getAttribute('data-drift-ms')) ?? Infinity));
    await expect.poll(drift, { intervals: [100] }).toBeLessThan(80);
  }
  await ada.page.keyboard.press('Space');
  await allWith(ada.page, [rita.page, vic.page]);
});

test('who joins late is in step at once, and any reviewer can take the lead', async () => {
  await leo.page.goto(onOtherNode(reviewerLink));
  await leo.page.getByTestId('join-session').click();
  await expect(leo.page.getByTestId('current-clip')).toHaveAttribute('data-clip-id', (await clipOf(ada.page)) ?? '');
  await allWith(ada.page, [leo.page]);

  await rita.page.bringToFront();
  await rita.page.keyboard.press('t');
  await expect(rita.page.getByTestId('lead-state')).toHaveAttribute('data-lead', 'true');
  await expect(ada.page.getByTestId('lead-state')).toHaveAttribute('data-following', 'true');
  await rita.page.keyboard.press('ArrowRight');
  await allWith(rita.page, [ada.page, vic.page, leo.page]);
  // Vic can't.
  await expect(vic.page.getByTestId('take-lead')).toHaveCount(0);
  await ada.page.bringToFront();
  await ada.page.keyboard.press('t');
  await expect(ada.page.getByTestId('lead-state')).toHaveAttribute('data-lead', 'true');
});

test('looking around freely, and one key back', async () => {
  await rita.page.bringToFront();
  const frame = await frameOf(ada.page);
  await rita.page.keyboard.press('ArrowRight');
  await expect(rita.page.getByTestId('lead-state')).toContainText('look around freely');
  await allAt(frame + 1, [rita.page]);
  await allAt(frame, [ada.page]);
  await rita.page.keyboard.press('f');
  await allAt(frame, [rita.page]);
});

test('a viewer watches; a reviewer’s decision takes the room on', async () => {
  await vic.page.bringToFront();
  await vic.page.keyboard.press('a');
  await expect(vic.page.getByText('only reviewers decide').first()).toBeVisible();
  await isPending(ada.page, 6);
  const before = await clipOf(ada.page);
  await rita.page.bringToFront();
  await rita.page.keyboard.press('a');
  for (const { page } of [ada, rita, vic, leo]) {
    await isPending(page, 5);
    await expect(page.getByTestId('current-clip')).not.toHaveAttribute('data-clip-id', before ?? '');
  }
  const now = await clipOf(ada.page);
  for (const { page } of [rita, vic, leo]) await expect(page.getByTestId('current-clip')).toHaveAttribute('data-clip-id', now ?? '');
});

test('talk on the frame: comments with mentions, drawings stroke by stroke, reactions, tags and stars', async () => {
  await ada.page.bringToFront();
  await expect(ada.page.getByTestId('clip-player')).toBeVisible();
  await ada.page.keyboard.press('ArrowRight');
  await allWith(ada.page, [rita.page]);
  await rita.page.bringToFront();
  await rita.page.keyboard.press('n');
  await rita.page.keyboard.type('See this, @Le');
  await expect(rita.page.getByTestId('mention-offers')).toContainText('@Leo');
  await rita.page.keyboard.press('Tab');
  await rita.page.keyboard.type('<img src=x onerror=alert(1)>');
  await rita.page.keyboard.press('Enter');
  await rita.page.keyboard.press('Escape');
  await expect(leo.page.getByText('Rita mentions you')).toBeVisible();
  await expect(vic.page.getByTestId('comment')).toContainText('<img src=x onerror=alert(1)>');
  await expect(vic.page.locator('img[src=x]')).toHaveCount(0);
  await leo.page.bringToFront();
  await leo.page.getByTestId('thread').getByRole('button', { name: 'Reply' }).click();
  await leo.page.getByRole('textbox', { name: 'Reply' }).fill('I see it');
  await leo.page.keyboard.press('Enter');
  await expect(vic.page.getByTestId('comment').nth(1)).toContainText('I see it');
  await rita.page.bringToFront();
  await expect(vic.page.getByTestId('timeline-mark')).toHaveCount(1);

  await rita.page.keyboard.press('d');
  const box = (await rita.page.getByTestId('drawing-layer').boundingBox())!;
  const at = (x: number, y: number) => [box.x + box.width * x, box.y + box.height * y] as const;
  await rita.page.mouse.move(...at(0.3, 0.3));
  await rita.page.mouse.down();
  await rita.page.mouse.move(...at(0.5, 0.4), { steps: 6 });
  // Not lifted yet, and the others see it.
  await expect(vic.page.getByTestId('drawing')).toHaveCount(1);
  await rita.page.mouse.move(...at(0.6, 0.6), { steps: 6 });
  await rita.page.mouse.up();
  await rita.page.getByLabel('Arrow').click();
  await rita.page.mouse.move(...at(0.8, 0.8));
  await rita.page.mouse.down();
  await rita.page.mouse.move(...at(0.6, 0.5), { steps: 4 });
  await rita.page.mouse.up();
  for (const { page } of [ada, vic]) await expect(page.getByTestId('drawing')).toHaveCount(2);
  await rita.page.getByTestId('undo-drawing').click();
  for (const { page } of [ada, vic]) await expect(page.getByTestId('drawing')).toHaveCount(1);
  await rita.page.keyboard.press('d');

  await rita.page.keyboard.press('4');
  await rita.page.keyboard.press('b');
  await rita.page.keyboard.type('Keeper');
  await rita.page.keyboard.press('Enter');
  await expect(vic.page.getByTestId('tags')).toContainText('keeper');
  await expect(vic.page.getByTestId('stars-mean')).toHaveText('4.0');
  await vic.page.bringToFront();
  await vic.page.getByLabel('Throw an emoji').click();
  await vic.page.getByTestId('throw-emoji').first().click();
  await expect(ada.page.getByTestId('reactions-in-air')).toContainText('Vic');

  await ada.page.bringToFront();
  await ada.page.getByRole('tab', { name: /Comments/ }).click();
  await ada.page.getByTestId('resolve').click();
  await expect(vic.page.getByText('All comments are resolved.')).toBeVisible();
});

test('a decision on a clip that someone else decided meanwhile is a conflict, and may be overridden knowingly', async () => {
  await rita.page.bringToFront();
  await rita.context.setOffline(true);
  await expect(rita.page.getByTestId('connection')).toContainText('Reconnecting');
  const clip = await clipOf(rita.page);
  await ada.page.bringToFront();
  await ada.page.keyboard.press('a');
  await isPending(ada.page, 4);
  await rita.page.bringToFront();
  await rita.page.keyboard.press('x');
  await rita.context.setOffline(false);
  await expect(rita.page.getByText('changed by Admin since you saw it')).toBeVisible({ timeout: 40_000 });
  await rita.page.getByRole('button', { name: 'Archive anyway' }).click();
  await expect(ada.page.locator(`[data-testid=cut-timeline] [data-clip-id="${clip}"]`)).toHaveClass(/archived/);
  await ada.page.bringToFront();
  await ada.page.locator(`[data-testid=cut-timeline] [data-clip-id="${clip}"]`).click();
  await ada.page.getByRole('tab', { name: 'History' }).click();
  await expect(ada.page.getByTestId('history-entry')).toHaveCount(2);
  await expect(ada.page.getByTestId('history-entry').first()).toContainText('Rita archived it');
});

test('a killed browser is gone from every screen, and one that comes back catches up', async ({ browser }) => {
  const state = await leo.context.storageState();
  await leo.context.close();
  for (const { page } of [ada, rita, vic]) await expect(page.getByTestId('presence-person')).toHaveCount(3);
  // What undo would do is known after a reload too.
  await rita.page.reload();
  await expect(rita.page.getByTestId('undo-words')).toContainText('takes back your archive at 00:00:');
  await ada.page.bringToFront();
  await ada.page.keyboard.press('Shift+U');
  const context = await browser.newContext({ storageState: state });
  leo = { name: 'Leo', context, page: await context.newPage() };
  await leo.page.goto(onOtherNode(sessionUrl));
  for (const { page } of [ada, rita, vic, leo]) {
    await expect(page.getByTestId('presence-person')).toHaveCount(4);
    await isPending(page, 4);
  }
});

test('divided, no clip is shown to two, and all gets done', async () => {
  await ada.page.bringToFront();
  await ada.page.getByTestId('session-mode').selectOption('divide');
  for (const { page } of [rita, leo]) await expect(page.getByTestId('session-bar')).toHaveAttribute('data-mode', 'divide');
  // What each one asks for is theirs: two each, of four, so one of three waits.
  await expect
    .poll(async () => {
      const holders = await Promise.all(
        [ada, rita, leo].map(async ({ page }) => ((await page.getByTestId('current-clip').count()) > 0 ? clipOf(page) : null)),
      );
      const held = holders.filter((clip) => clip !== null);
      return new Set(held).size === held.length && held.length === 2;
    })
    .toBe(true);
  const workers = [ada, rita, leo];
  await expect(async () => {
    for (const { page } of workers) {
      const left = Number(await ada.page.getByTestId('clip-count-pending').textContent());
      if (left <= 2) return;
      if ((await page.getByTestId('current-clip').count()) === 0) continue;
      await page.bringToFront();
      await page.keyboard.press('s');
      await isPending(ada.page, left - 1);
    }
    expect(Number(await ada.page.getByTestId('clip-count-pending').textContent())).toBe(2);
  }).toPass();
  await ada.page.bringToFront();
  await ada.page.getByTestId('session-mode').selectOption('together');
});

test('by votes: one is not enough, differing ones make a queue of their own, the host settles', async () => {
  await ada.page.getByTestId('session-votes').selectOption('2');
  for (const { page } of [ada, rita]) await expect(page.getByTestId('votes')).toBeVisible();
  await expect(rita.page.getByTestId('lead-state')).toHaveAttribute('data-following', 'true');
  const clip = await clipOf(ada.page);
  await expect(rita.page.getByTestId('current-clip')).toHaveAttribute('data-clip-id', clip ?? '');
  await ada.page.bringToFront();
  await ada.page.keyboard.press('a');
  await expect(rita.page.getByTestId('votes')).toContainText('1 of 2 votes');
  await isPending(rita.page, 2);
  await rita.page.bringToFront();
  await rita.page.keyboard.press('s');
  await expect(ada.page.getByTestId('votes')).toHaveAttribute('data-result', 'disagreed');
  await expect(ada.page.getByTestId('disagreements')).toContainText('1');
  await ada.page.bringToFront();
  await ada.page.getByTestId('settle-approve').click();
  for (const { page } of [ada, rita, vic, leo]) await isPending(page, 1);
  await ada.page.getByTestId('session-votes').selectOption('1');
});

test('a split under everybody’s playhead leaves them at a clip that is there', async () => {
  await ada.page.bringToFront();
  await expect(ada.page.getByTestId('clip-player')).toBeVisible();
  await ada.page.keyboard.press('Space');
  await ada.page.keyboard.press('ArrowRight');
  // Steps go round the clip's ends: its first frame is no place to split.
  if ((await ada.page.getByTestId('clip-place').getAttribute('data-place')) === '0') await ada.page.keyboard.press('ArrowRight');
  await ada.page.keyboard.press('c');
  for (const { page } of [ada, rita, vic, leo]) await isPending(page, 2);
  const clip = await clipOf(ada.page);
  for (const { page } of [rita, vic, leo]) await expect(page.getByTestId('current-clip')).toHaveAttribute('data-clip-id', clip ?? '');
  await ada.page.keyboard.press('u');
  for (const { page } of [ada, rita, vic, leo]) await isPending(page, 1);
});

test('a removed person is cut off, and no link lets them in again', async () => {
  await ada.page.getByRole('tab', { name: /People/ }).click();
  await ada.page.locator('[data-testid=member]', { hasText: 'Leo' }).getByTestId('remove-member').click();
  await expect(leo.page).toHaveURL(/\/sessions$/);
  expect((await leo.page.request.get(onOtherNode(sessionUrl))).status()).toBe(404);
  await leo.page.goto(onOtherNode(reviewerLink));
  await leo.page.getByTestId('join-session').click();
  await expect(leo.page.getByRole('alert')).toContainText('removed from this session');
  for (const { page } of [ada, rita, vic]) await expect(page.getByTestId('presence-person')).toHaveCount(3);
});

test('at its end the session is summed up; it can be resumed, and every screen equals the database', async () => {
  await ada.page.bringToFront();
  await ada.page.getByTestId('end-session').click();
  await expect(rita.page.getByTestId('session-bar')).toContainText('This session has ended');
  await rita.page.goto(onOtherNode(`${sessionUrl}/summary`));
  await expect(rita.page.getByTestId('summary-open')).toHaveText('1');
  await expect(rita.page.locator('[data-testid=summary-person]', { hasText: 'Rita' })).toContainText('Rita');
  await ada.page.getByTestId('resume-session').click();
  await rita.page.goto(onOtherNode(sessionUrl));
  await expect(rita.page.getByTestId('lead-state')).toBeVisible();

  const drawn = (page: Page) =>
    page
      .getByTestId('cut-timeline')
      .evaluate((track) => [...track.querySelectorAll('[data-clip-id]')].map((clip) => clip.getAttribute('aria-label')));
  const reloaded = await vic.context.newPage();
  await reloaded.goto(sessionUrl);
  await expect(reloaded.getByTestId('connection')).toContainText('Live');
  const truth = await drawn(reloaded);
  for (const { page } of [ada, rita, vic]) expect(await drawn(page)).toEqual(truth);
});

for (const theme of ['light', 'dark']) {
  test(`axe finds nothing serious on the pages of sessions, ${theme}`, async () => {
    await ada.context.addCookies([{ name: 'theme', value: theme, url: app.origin }]);
    for (const url of [`${app.origin}/sessions`, sessionUrl, `${sessionUrl}/summary`, `${app.origin}/mentions`]) {
      await ada.page.goto(url);
      await expect(ada.page.getByTestId('connection')).toContainText('Live');
      if (url === sessionUrl) await ada.page.getByRole('tab', { name: /People/ }).click();
      const { violations } = await new AxeBuilder({ page: ada.page }).analyze();
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      expect(serious.map(({ id, nodes }) => `${url} ${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`)).toEqual([]);
    }
  });
}
