/**
 * Turns a flood of calls into few runs: one at once, and while it runs or rests only one more,
 * which begins after the rest and so sees all that came meanwhile.
 */
export function coalesce(run: () => Promise<unknown>, restMs: number): () => void {
  let isBusy = false;
  let isAskedAgain = false;
  const call = () => {
    if (isBusy) {
      isAskedAgain = true;
      return;
    }
    isBusy = true;
    void run()
      .catch(() => undefined)
      .then(() => new Promise((resolve) => setTimeout(resolve, restMs)))
      .then(() => {
        isBusy = false;
        if (!isAskedAgain) return;
        isAskedAgain = false;
        call();
      });
  };
  return call;
}
