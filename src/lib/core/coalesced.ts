/**
 * Makes a function that does `work` soon, never twice at a time: asked for while it is under way, it is
 * done once more afterwards, however often it was asked for. Gives a promise of the last of it.
 */
export function coalesced(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let isWanted = false;
  const run = async () => {
    // Not in this turn: whoever asks goes on first, and many who ask in one turn are one.
    await Promise.resolve();
    while (isWanted) {
      isWanted = false;
      await work();
    }
    running = null;
  };
  return () => {
    isWanted = true;
    running ??= run();
    return running;
  };
}
