import { replaceState } from '$app/navigation';
import { onMount } from 'svelte';

/** Keeps the clip's id in the page's address, so that a reload or a colleague sees the same one. Call it while the page is made. */
export function keepClipInAddress(clipId: () => number | null): void {
  let isMounted = $state(false);
  onMount(() => {
    // Not before the router has started: it would not know the address.
    setTimeout(() => (isMounted = true));
  });
  $effect(() => {
    const id = clipId();
    if (!isMounted) return;
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- made and used up here
    const address = new URL(location.href);
    if (address.searchParams.get('clip') === (id === null ? null : String(id))) return;
    if (id === null) address.searchParams.delete('clip');
    else address.searchParams.set('clip', String(id));
    replaceState(address, {});
  });
}
