/**
 * Calls `leave` when the process that started this one is gone, which its end of our stdin tells.
 * Only where the parent says that it holds one (`HEATERS_PARENT=stdin`, as `npm start` does).
 */
export function onParentGone(leave: () => void): void {
  if (process.env.HEATERS_PARENT !== 'stdin') return;
  process.stdin.once('close', leave).once('end', leave).resume();
}
