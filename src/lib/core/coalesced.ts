/**
 * Makes a function that does `work` soon, never twice at a time: asked for while it is under way or in
 * the rest of `restMs` after it, it is done once more afterwards, however often it was asked for. Gives a
 * promise of the last of it; `work` is to deal with its own failures.
 */
export function coalesced(work: () => Promise<unknown>, restMs = 0): () => Promise<void> {
  let running: Promise<void> | null = null;
  let isWanted = false;
  const run = async () => {
    // Not in this turn: whoever asks goes on first, and many who ask in one turn are one.
    await Promise.resolve();
    try {
      while (isWanted) {
        isWanted = false;
        await work();
        if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
      }
    } finally {
      running = null;
    }
  };
  return () => {
    isWanted = true;
    running ??= run();
    return running;
  };
}
