import { invalidate } from '$app/navigation';
import { LiveStore } from '#lib/client/live-store.svelte.ts';
import { coalesced } from '#lib/core/coalesced.ts';
import type { AdminTopic } from '#lib/live/topics.ts';

const REST_MS = 700;

/**
 * Keeps a page's data as it is on the server: loads it anew when the topic says that something has moved, and when the
 * connection has been lost and is back. Gives the function that ends it: `$effect(() => followMoves('pool', 'app:pool'))`.
 */
export function followMoves(topic: AdminTopic, dependency: `app:${string}`): () => void {
  const reload = coalesced(() => invalidate(dependency).catch(() => undefined), REST_MS);
  return new LiveStore({
    topics: [{ topic, afterSeq: 0 }],
    apply: () => undefined,
    signal: (signal) => {
      if (signal.type === 'moved') void reload();
    },
    onFollowing: () => void reload(),
    onReset: reload,
  }).start();
}
