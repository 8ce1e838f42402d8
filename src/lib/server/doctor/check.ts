/** What came of a look at one thing: all is well, something is wrong and how to mend it, or nothing to look at. */
export type Outcome =
  | { readonly kind: 'pass'; readonly said: string }
  | { readonly kind: 'fail'; readonly said: string; readonly cure: string }
  | { readonly kind: 'skip'; readonly said: string };

/** One thing to look at. `look` may throw: that is a failure too, mended by `cure`. */
export interface Check {
  readonly name: string;
  readonly cure: string;
  readonly look: () => Promise<Outcome>;
}

/** A check with its outcome. */
export type Finding = Outcome & { readonly name: string };

const PATIENCE_MS = 20_000;

/** A thing that is as it should be. */
export const pass = (said: string): Outcome => ({ kind: 'pass', said });
/** A thing that is wrong, and what mends it. */
export const fail = (said: string, cure: string): Outcome => ({ kind: 'fail', said, cure });
/** A thing that is not there to be looked at. */
export const skip = (said: string): Outcome => ({ kind: 'skip', said });

/** Looks at one thing; whatever happens, there is a finding. */
export async function examine({ name, cure, look }: Check, patienceMs = PATIENCE_MS): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => resolve(fail(`there was no answer within ${Math.round(patienceMs / 1000)} s`, cure)), patienceMs);
  });
  const looked = look().catch((error: unknown) => fail(reasonOf(error), cure));
  return { name, ...(await Promise.race([looked, tooLate]).finally(() => clearTimeout(timer))) };
}

/** What an error says, with what it was caused by: `fetch` tells the reason only there. No URL's signature is shown. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message || String((error.cause as { code?: unknown }).code ?? '')})` : '';
  const text = `${error.message}${cause}`.replaceAll(/(https?:\/\/[^\s?]+)\?\S+/g, '$1');
  return text.split('\n')[0] || error.name;
}
