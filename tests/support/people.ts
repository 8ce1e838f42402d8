import type { Browser, BrowserContext, Page } from '@playwright/test';

/** Someone with an account and a browser of their own. */
export interface BrowserPerson {
  readonly name: string;
  readonly context: BrowserContext;
  readonly page: Page;
}

/** Logs the first admin in by the printed link. */
export async function logInAdmin(browser: Browser, loginUrl: string): Promise<BrowserPerson> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(loginUrl);
  await page.getByRole('button').first().click();
  await page.waitForURL(/\/account/);
  return { name: 'Admin', context, page };
}

/** Makes an account by an admin's invite, as people do, and gives its logged-in browser. */
export async function invite(
  browser: Browser,
  admin: BrowserPerson,
  origin: string,
  name: string,
  role: 'reviewer' | 'viewer',
): Promise<BrowserPerson> {
  const answer = await admin.page.request.post(`${origin}/admin/users?/invite`, {
    form: { role },
    headers: { origin, 'x-sveltekit-action': 'true', accept: 'application/json' },
  });
  const path = /\/welcome\/[\w-]+/.exec(await answer.text())?.[0];
  if (path === undefined) throw new Error(`No invite was made: ${answer.status()} ${await answer.text()}`);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(origin + path);
  await page.getByLabel('E-mail').fill(`${name.toLowerCase()}@example.com`);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').first().fill('correct horse battery');
  await page.getByRole('button').first().click();
  await page.waitForURL(`${origin}/`);
  return { name, context, page };
}
