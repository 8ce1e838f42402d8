/** Decision in one browser to the DOM of another: `npm run bench -- live [--decisions 60]`. */
import { parseArgs } from 'node:util';
import { openBenchApp, percentile } from './support.ts';

/** Runs the bench; `args` are what follows its name on the command line. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { decisions: { type: 'string', default: '60' } } });
  const { app, context, page, close } = await openBenchApp(4310);
  try {
    const watcher = await context.newPage();
    for (const window of [page, watcher]) {
      await window.goto(`${app.origin}/review/1`);
      await window.locator('[data-testid=connection]', { hasText: 'Live' }).waitFor();
    }
    // Paused: Chromium decodes without a GPU here, and would be measured instead of the way of the event.
    for (const window of [page, watcher]) await window.keyboard.press('Space');
    // Both windows share this machine's clock: the times are absolute and comparable.
    await watcher.evaluate(() => {
      const times: number[] = [];
      Object.assign(globalThis, { changeTimes: times });
      const counter = document.querySelector('[data-testid=clip-count-pending]')!;
      new MutationObserver(() => times.push(performance.timeOrigin + performance.now())).observe(counter, {
        characterData: true,
        childList: true,
        subtree: true,
      });
    });
    const delaysMs: number[] = [];
    for (let index = 0; index < Number(values.decisions); index += 1) {
      const seen = await watcher.evaluate(() => (globalThis as unknown as { changeTimes: number[] }).changeTimes.length);
      const pressedAtMs = await page.evaluate(
        (key) => {
          const at = performance.timeOrigin + performance.now();
          document.body.dispatchEvent(new KeyboardEvent('keydown', { key, code: `Key${key.toUpperCase()}`, bubbles: true }));
          return at;
        },
        index % 2 === 0 ? 's' : 'u',
      );
      await watcher.waitForFunction((count) => (globalThis as unknown as { changeTimes: number[] }).changeTimes.length > count, seen);
      const changedAtMs = await watcher.evaluate((count) => (globalThis as unknown as { changeTimes: number[] }).changeTimes[count]!, seen);
      delaysMs.push(changedAtMs - pressedAtMs);
      await page.waitForTimeout(80);
    }
    const result = { p50Ms: percentile(delaysMs, 0.5), p99Ms: percentile(delaysMs, 0.99) };
    console.log(`decision to the other browser's DOM, ${delaysMs.length} decisions`);
    console.table([result]);
    console.log(JSON.stringify(result));
  } finally {
    await close();
  }
}
