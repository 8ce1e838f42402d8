import { toast } from 'svelte-sonner';
import type { Notice } from '#lib/client/review.svelte.ts';

/** Shows what a review tells the person: what was done briefly, what stands in the way for longer. */
export function showNotice({ kind, message, action: offered }: Notice): void {
  const action = offered === null ? {} : { action: { label: offered.label, onClick: offered.run } };
  if (kind === 'done') toast.success(message, { id: 'done', duration: 2_500 });
  else if (kind === 'conflict') toast.warning(message, { duration: 12_000, ...action });
  else toast.error(message, { id: message, duration: 6_000, ...action });
}

/** Shows what the server refused. */
export function complain(message: string): void {
  showNotice({ kind: 'problem', message, action: null });
}
