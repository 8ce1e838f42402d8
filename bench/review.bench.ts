/** Key press to the first painted frame of the next clip: `npm run bench -- review [--presses 40]`. */
import { parseArgs } from 'node:util';
import { openBenchApp, percentile } from './support.ts';

/** Runs the bench; `args` are what follows its name on the command line. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { presses: { type: 'string', default: '40' } } });
  const { app, page, close } = await openBenchApp(4311);
  try {
    await page.goto(`${app.origin}/review/1`);
    await page.locator('[data-testid=connection]', { hasText: 'Live' }).waitFor();
    await page.getByTestId('clip-player').waitFor();
    // A reviewer looks at a clip for a moment, during which the next ones are made and loaded.
    await page.waitForTimeout(4_000);
    const delaysMs: number[] = [];
    for (let index = 0; index < Number(values.presses); index += 1) {
      // Forwards through the clips, then backwards: j and k show a neighbour just as a decision does.
      const key = Math.floor(index / 5) % 2 === 0 ? 'j' : 'k';
      delaysMs.push(
        await page.evaluate(
          (pressed) =>
            new Promise<number>((resolve, reject) => {
              const startedAt = performance.now();
              const shownBefore = document.querySelector('[data-testid=current-clip]')?.getAttribute('data-clip-id');
              setTimeout(() => reject(new Error('No frame of the next clip was painted within 10 s.')), 10_000);
              document.body.dispatchEvent(
                new KeyboardEvent('keydown', { key: pressed, code: `Key${pressed.toUpperCase()}`, bubbles: true }),
              );
              const look = () => {
                const video = document.querySelector<HTMLVideoElement>('[data-testid=clip-player]');
                const shown = document.querySelector('[data-testid=current-clip]')?.getAttribute('data-clip-id');
                if (video && shown !== shownBefore) video.requestVideoFrameCallback((now) => resolve(now - startedAt));
                else requestAnimationFrame(look);
              };
              look();
            }),
          key,
        ),
      );
      await page.waitForTimeout(700);
    }
    const result = { p50Ms: percentile(delaysMs, 0.5), p95Ms: percentile(delaysMs, 0.95) };
    console.log(`key press to the next clip's first painted frame, ${delaysMs.length} presses`);
    console.table([result]);
    console.log(JSON.stringify(result));
  } finally {
    await close();
  }
}
