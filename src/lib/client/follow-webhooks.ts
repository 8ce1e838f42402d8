import { invalidate } from '$app/navigation';
import { navigating } from '$app/state';
import { LiveStore } from '#lib/client/live-store.svelte.ts';

/** Has a page of webhooks read anew whenever one, or the one named, has changed; also after a lost connection. Gives the function that ends it. */
export function followWebhooks(afterSeq: number, webhookId: number | null): () => void {
  let isFirst = true;
  const store = new LiveStore({
    topics: [{ topic: 'system', afterSeq }],
    apply: () => undefined,
    signal: (signal) => {
      if (signal.type === 'webhook-changed' && (webhookId ?? signal.payload.webhookId) === signal.payload.webhookId) void readAnew();
    },
    // What was signalled while nobody listened is in the page's data, the first time as it was loaded just now.
    onFollowing: () => {
      if (!isFirst) void readAnew();
      isFirst = false;
    },
    onReset: readAnew,
  });
  return store.start();
}

/** Reading a page anew breaks off a navigation, such as the one to the webhook that was added just now: that goes first. */
async function readAnew(): Promise<void> {
  await navigating.complete?.catch(() => undefined);
  await invalidate('app:webhooks');
}
