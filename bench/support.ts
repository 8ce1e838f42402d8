import { chromium, type BrowserContext, type Page } from '@playwright/test';
import { startApp, type RunningApp } from '../tests/support/app.ts';

/** A value below which the given share of the figures lies; 0.5 is the median. */
export function percentile(figures: readonly number[], share: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new Error('There are no figures to take a percentile of.');
  return Math.round(value * 100) / 100;
}

/** The app with its sample ready for review, and Chromium logged in to it. */
export async function openBenchApp(
  port: number,
): Promise<{ app: RunningApp; context: BrowserContext; page: Page; close: () => Promise<void> }> {
  const app = await startApp(port);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
  });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(app.loginUrl);
  await page.getByRole('button').first().click();
  await page.waitForURL(/\/account/);
  await page.goto(`${app.origin}/`);
  await page.locator('[data-testid=video-card][data-state=ready]').waitFor({ timeout: 120_000 });
  return {
    app,
    context,
    page,
    close: async () => {
      await browser.close();
      await app.stop();
    },
  };
}
