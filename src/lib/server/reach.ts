import type { Reach } from '#lib/core/troubles.ts';
import { withoutUrls } from '#lib/core/without-urls.ts';

/** What has not answered by then counts as away. */
export const REACH_PATIENCE_MS = 5_000;

/** Whether something answers in time, and how long it took. */
export async function reach(ask: () => Promise<unknown>): Promise<Reach> {
  const startedMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${REACH_PATIENCE_MS / 1000} s`)), REACH_PATIENCE_MS);
  });
  try {
    await Promise.race([ask(), tooLate]);
    return { kind: 'ok', ms: performance.now() - startedMs };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { kind: 'failed', reason: withoutUrls(cause instanceof Error ? cause.message : String(cause)) };
  } finally {
    clearTimeout(timer);
  }
}
