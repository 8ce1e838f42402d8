import { coalesced } from '#lib/core/coalesced.ts';
import { LiveStore } from '#lib/client/live-store.svelte.ts';
import { jobFilterQuery, type JobFilter, type JobPage, type JobView, type QueueOverview } from '#lib/live/job-views.ts';
import type { LiveSignal } from '#lib/live/events.ts';

/** How long the page rests after it has read itself anew. */
const REST_MS = 1_500;
/** As many rows as are read anew at once. */
const MOST_ROWS = 500;

/** The queue monitor, live: told by signals, it reads anew what they concern. */
export class QueueMonitor {
  #overview = $state.raw<QueueOverview>() as QueueOverview;
  #list = $state.raw<JobPage>() as JobPage;
  #filter: JobFilter;
  #isLoading = $state(false);
  #isStale = $state(false);
  /** What the server's clock is ahead of ours, in ms. */
  #aheadMs: number;
  #nowMs = $state(0);
  readonly #store: LiveStore;
  readonly #refresh = coalesced(() => this.#read(), REST_MS);

  constructor(loaded: { readonly overview: QueueOverview; readonly list: JobPage; readonly filter: JobFilter }) {
    this.#overview = loaded.overview;
    this.#list = loaded.list;
    this.#filter = loaded.filter;
    this.#nowMs = loaded.overview.nowMs;
    this.#aheadMs = loaded.overview.nowMs - Date.now();
    this.#store = new LiveStore({
      topics: [{ topic: 'queues', afterSeq: 0 }],
      apply: () => undefined,
      signal: (signal) => this.#hear(signal),
      // What was told between the page's data and the first moment of listening, or while the line was down.
      onFollowing: () => void this.refresh(),
      onReset: () => this.refresh(),
    });
  }

  /** The queues, who works on them, the schedules and what is wrong. */
  get overview(): QueueOverview {
    return this.#overview;
  }

  /** The jobs that match, as many as have been asked for. */
  get list(): JobPage {
    return this.#list;
  }

  /** Whether more rows are on their way. */
  get isLoading(): boolean {
    return this.#isLoading;
  }

  /** Whether what is shown could not be read anew. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** The server's clock, in ms since 1970, as exact as a second. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Begins to listen; gives the function that ends it. */
  start(): () => void {
    const stop = this.#store.start();
    const clock = setInterval(() => (this.#nowMs = Date.now() + this.#aheadMs), 1_000);
    return () => {
      clearInterval(clock);
      stop();
    };
  }

  /** Takes over newly loaded data. */
  replace(loaded: { readonly overview: QueueOverview; readonly list: JobPage; readonly filter: JobFilter }): void {
    this.#overview = loaded.overview;
    this.#list = loaded.list;
    this.#filter = loaded.filter;
  }

  /** Reads the page's data anew, soon. */
  refresh(): Promise<void> {
    return this.#refresh();
  }

  /** Loads the next rows of the list. */
  async more(): Promise<void> {
    const { next } = this.#list;
    if (next === null || this.#isLoading) return;
    const filter = this.#filter;
    this.#isLoading = true;
    try {
      const page = await get<JobPage>(`/admin/queues/jobs?${jobFilterQuery(filter)}&after=${encodeURIComponent(next)}`);
      if (filter !== this.#filter || this.#list.next !== next) return;
      // A page begins after the last row of the one before: no job is in both.
      this.#list = { ...page, jobs: [...this.#list.jobs, ...page.jobs] };
    } catch {
      this.#isStale = true;
    } finally {
      this.#isLoading = false;
    }
  }

  #hear(signal: LiveSignal): void {
    if (signal.type === 'jobs-changed') {
      const told = signal.payload.counts;
      const queues = this.#overview.queues.map((queue) => ({
        ...queue,
        counts: told.find((each) => each.queue === queue.name)?.counts ?? queue.counts,
      }));
      this.#overview = { ...this.#overview, queues };
      void this.refresh();
    } else if (signal.type === 'progress') {
      const { stage, itemId, percent } = signal.payload;
      const isIt = (job: JobView) => job.state === 'active' && job.stage === stage && job.item?.id === itemId;
      this.#list = { ...this.#list, jobs: this.#list.jobs.map((job) => (isIt(job) ? { ...job, percent } : job)) };
    }
  }

  async #read(): Promise<void> {
    const filter = this.#filter;
    const size = Math.min(MOST_ROWS, this.#list.jobs.length);
    try {
      const [overview, list] = await Promise.all([
        get<QueueOverview>('/admin/queues/overview'),
        get<JobPage>(`/admin/queues/jobs?${jobFilterQuery(filter)}&size=${size}`),
      ]);
      this.#overview = overview;
      this.#aheadMs = overview.nowMs - Date.now();
      if (filter === this.#filter) this.#list = list;
      this.#isStale = false;
    } catch {
      this.#isStale = true;
    }
  }
}

async function get<T>(path: string): Promise<T> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} answered ${response.status}.`);
  return (await response.json()) as T;
}
