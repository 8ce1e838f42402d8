import { LiveStore } from '#lib/client/live-store.svelte.ts';
import { complain } from '#lib/client/notices.ts';
import { liveSocket } from '#lib/client/socket.ts';
import { coalesced } from '#lib/core/coalesced.ts';
import type { SavedSearchCommand, SavedSearchView } from '#lib/live/saved-search.ts';

/** Between two countings: each looks through the library. */
const REST_MS = 1_500;

/** The saved searches that a person sees, live. */
export class SavedSearches {
  #all = $state.raw<readonly SavedSearchView[]>([]);
  readonly #reload = coalesced(() => this.#load(), REST_MS);
  readonly #store: LiveStore;

  /** `seq` is the number of the library's event that the page includes. */
  constructor(seq: number, onReset: () => unknown) {
    this.#store = new LiveStore({
      topics: [{ topic: 'library', afterSeq: seq }],
      apply: (event) => {
        if (event.type === 'video-removed') void this.#reload();
      },
      signal: (signal) => {
        if (signal.type === 'clips-touched' || signal.type === 'saved-searches-changed') void this.#reload();
      },
      onFollowing: () => void this.#reload(),
      onReset,
    });
  }

  /** All of them, by name. */
  get all(): readonly SavedSearchView[] {
    return this.#all;
  }

  /** Follows what happens while the page is shown: `$effect(() => saved.start())`. */
  start(): () => void {
    return this.#store.start();
  }

  /** Goes on from newly loaded data. */
  restart(seq: number): void {
    this.#store.restart([{ topic: 'library', afterSeq: seq }]);
  }

  /** Sends a command; true when it was carried out. */
  async command(command: SavedSearchCommand): Promise<boolean> {
    const reply = await liveSocket().request('savedSearch', command);
    if (reply.kind !== 'ok') {
      complain(reply.message);
      return false;
    }
    void this.#reload();
    return true;
  }

  async #load(): Promise<void> {
    const response = await fetch('/search/saved').catch(() => null);
    if (response?.ok) this.#all = (await response.json()) as SavedSearchView[];
  }
}
