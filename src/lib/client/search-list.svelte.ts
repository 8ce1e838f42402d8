/* eslint-disable svelte/prefer-svelte-reactivity -- sets and maps of one turn, from which nothing is drawn */
import { SvelteSet } from 'svelte/reactivity';
import { LiveStore } from '#lib/client/live-store.svelte.ts';
import { coalesced } from '#lib/core/coalesced.ts';
import { bySearchOrder, type SearchAnswer, type SearchHit, type SearchStanding } from '#lib/live/search.ts';

type Found = Extract<SearchAnswer, { kind: 'ok' }>;

/** As many clips as one question names. */
const CLIPS_PER_QUESTION = 200;
/** Between two questions: many may decide at once. */
const REST_MS = 300;

/**
 * What a search has found, live. The order stays as it was found: who came meanwhile waits in `fresh` until it is
 * asked for, and what is no longer found stays where it is, marked. Only what is gone for good leaves.
 */
export class SearchList {
  #hits = $state.raw<readonly SearchHit[]>([]);
  #fresh = $state.raw<readonly SearchHit[]>([]);
  #next = $state<string | null>(null);
  #problem = $state<string | null>(null);
  /** Clips on the screen that the search would not find any more. */
  readonly #strays = new SvelteSet<number>();
  readonly #query: string;
  readonly #touched = new Set<number>();
  readonly #look = coalesced(() => this.#lookAgain(), REST_MS);
  readonly #store: LiveStore;
  #loading: Promise<void> | null = null;

  /** `query` is the search as an address has it; `seq` the number of the library's event that `first` includes. */
  constructor(first: Found, query: string, seq: number, onReset: () => unknown) {
    this.#hits = first.hits;
    this.#next = first.next;
    this.#query = query;
    this.#store = new LiveStore({
      topics: [{ topic: 'library', afterSeq: seq }],
      apply: (event) => {
        if (event.type === 'video-removed') this.#dropVideo(event.payload.videoId);
        // Its clips are told of by signals, of which one may be lost on a busy line.
        else if (event.type === 'video-changed') this.#touch(this.#idsOf(event.payload.video.id));
      },
      signal: (signal) => {
        if (signal.type === 'clips-touched') this.#touch(signal.payload.clipIds);
      },
      // Nothing tells which signals were missed.
      onFollowing: () => void this.#catchUp(),
      onReset,
    });
  }

  /** The clips on the screen. */
  get hits(): readonly SearchHit[] {
    return this.#hits;
  }

  /** What is found by now and waits to be shown, in the order of the search. */
  get fresh(): readonly SearchHit[] {
    return this.#fresh;
  }

  /** Whether there are more to load. */
  get hasMore(): boolean {
    return this.#next !== null;
  }

  /** Names the page that comes next: another one as soon as that is loaded. */
  get nextPage(): string | null {
    return this.#next;
  }

  /** Why the next page could not be loaded; null when nothing is wrong. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Whether the search would not find this clip any more. */
  isStray(clipId: number): boolean {
    return this.#strays.has(clipId);
  }

  /** Follows what happens while the list is shown: `$effect(() => list.start())`. */
  start(): () => void {
    return this.#store.start();
  }

  /** Loads the next page. */
  loadMore(): Promise<void> {
    this.#loading ??= this.#load().finally(() => (this.#loading = null));
    return this.#loading;
  }

  /** Loads until all is there, or this many. */
  async loadAll(most: number): Promise<void> {
    while (this.#next !== null && this.#hits.length < most && this.#problem === null) await this.loadMore();
  }

  /** Puts what has come meanwhile where it belongs. */
  showFresh(): void {
    this.#hits = [...this.#hits, ...this.#fresh].sort(bySearchOrder);
    this.#fresh = [];
  }

  async #load(): Promise<void> {
    if (this.#next === null) return;
    this.#problem = null;
    try {
      const answer = await this.#ask<SearchAnswer>(`/search/more?${this.#query}&after=${encodeURIComponent(this.#next)}`);
      if (answer.kind === 'refused') throw new Error(answer.message);
      // A clip that was decided meanwhile may come again.
      const known = new Set(this.#hits.map((hit) => hit.clip.id));
      const loaded = new Set(answer.hits.map((hit) => hit.clip.id));
      this.#hits = [...this.#hits, ...answer.hits.filter((hit) => !known.has(hit.clip.id))];
      this.#fresh = this.#fresh.filter((hit) => !loaded.has(hit.clip.id));
      this.#next = answer.next;
    } catch {
      this.#problem = 'The rest could not be loaded.';
    }
  }

  #idsOf(videoId: number): number[] {
    return this.#hits.filter((hit) => hit.clip.videoId === videoId).map((hit) => hit.clip.id);
  }

  #touch(clipIds: readonly number[]): void {
    for (const id of clipIds) this.#touched.add(id);
    if (this.#touched.size > 0) void this.#look();
  }

  #dropVideo(videoId: number): void {
    this.#hits = this.#hits.filter((hit) => hit.clip.videoId !== videoId);
    this.#fresh = this.#fresh.filter((hit) => hit.clip.videoId !== videoId);
  }

  /** Looks at all that is on the screen, and for what else the first page now has. */
  async #catchUp(): Promise<void> {
    this.#touch(this.#hits.map((hit) => hit.clip.id));
    try {
      const answer = await this.#ask<SearchAnswer>(`/search/more?${this.#query}`);
      if (answer.kind === 'ok') for (const hit of answer.hits) this.#offer(hit);
    } catch {
      // The line is down again: it will be followed once more.
    }
  }

  async #lookAgain(): Promise<void> {
    const asked = [...this.#touched].slice(0, CLIPS_PER_QUESTION);
    for (const id of asked) this.#touched.delete(id);
    try {
      const standing = await this.#ask<SearchStanding>(`/search/now?${this.#query}&clips=${asked.join(',')}`);
      this.#take(asked, standing);
    } catch {
      // Whoever is asked again after a lost connection tells of these too.
      return;
    }
    if (this.#touched.size > 0) void this.#look();
  }

  #take(asked: readonly number[], { found, others }: SearchStanding): void {
    const hits = new Map(found.map((hit) => [hit.clip.id, hit]));
    const strays = new Map(others.map((clip) => [clip.id, clip]));
    const isGone = (id: number) => asked.includes(id) && !hits.has(id) && !strays.has(id);
    this.#hits = this.#hits
      .filter((hit) => !isGone(hit.clip.id))
      .map((shown) => {
        const now = hits.get(shown.clip.id)?.clip ?? strays.get(shown.clip.id);
        return now === undefined ? shown : { ...shown, clip: now, palette: hits.get(now.id)?.palette ?? shown.palette };
      });
    for (const id of strays.keys()) this.#strays.add(id);
    for (const id of hits.keys()) this.#strays.delete(id);
    this.#fresh = this.#fresh.filter((hit) => !asked.includes(hit.clip.id));
    for (const hit of found) this.#offer(hit);
  }

  /** Lets a clip wait that is not on the screen, unless it comes by itself further down. */
  #offer(hit: SearchHit): void {
    const isKnown = [...this.#hits, ...this.#fresh].some((known) => known.clip.id === hit.clip.id);
    const last = this.#hits.at(-1);
    const comesLater = this.#next !== null && last !== undefined && bySearchOrder(hit, last) > 0;
    if (!isKnown && !comesLater) this.#fresh = [...this.#fresh, hit].sort(bySearchOrder);
  }

  async #ask<Answer>(address: string): Promise<Answer> {
    const response = await fetch(address);
    if (!response.ok) throw new Error(String(response.status));
    return (await response.json()) as Answer;
  }
}
