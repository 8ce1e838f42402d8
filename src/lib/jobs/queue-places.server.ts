import type { JobWithMetadata, PgBoss } from 'pg-boss';
import type { QueueName } from '#lib/jobs/stages.ts';
import { coalesced } from '#lib/core/coalesced.ts';
import type { Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { queueSettings } from '#lib/server/stores/queue-settings.ts';

/** Jobs of a queue that one process runs side by side, where nobody has set it otherwise. */
export const CONCURRENCY: Readonly<Record<QueueName, number>> = {
  default: 2,
  // Handlers that wait for the pool take a place each: more places than machines.
  media_processing: 12,
  exports: 8,
  temp_clips: 3,
  background_jobs: 2,
  maintenance: 1,
};

/** A job as pg-boss hands it out. */
export type FetchedJob = JobWithMetadata<unknown>;

/** The places of this process: for each queue as many workers of pg-boss as may run side by side, none where it is paused. */
export class QueuePlaces {
  readonly #boss: PgBoss;
  readonly #sql: Database;
  readonly #run: (queue: QueueName, job: FetchedJob) => Promise<void>;
  readonly #places: Map<QueueName, string[]>;
  #isClosed = false;

  constructor(options: {
    readonly boss: PgBoss;
    readonly sql: Database;
    readonly queues: readonly QueueName[];
    readonly run: (queue: QueueName, job: FetchedJob) => Promise<void>;
  }) {
    this.#boss = options.boss;
    this.#sql = options.sql;
    this.#run = options.run;
    this.#places = new Map(options.queues.map((queue) => [queue, []]));
  }

  /** How many places each queue has now. */
  get sizes(): Readonly<Partial<Record<QueueName, number>>> {
    return Object.fromEntries([...this.#places].map(([queue, ids]) => [queue, ids.length]));
  }

  /** Brings the places to what is set. A place that goes lets its job finish. Gives whether anything was to be done. */
  readonly adjust = coalesced(() =>
    this.#adjust().catch((error: unknown) => log.warn({ err: error }, 'the settings of the queues could not be read')),
  );

  /** Makes no more places. */
  close(): void {
    this.#isClosed = true;
  }

  async #adjust(): Promise<void> {
    const settings = new Map((await queueSettings(this.#sql)).map((each) => [each.queue, each]));
    for (const [queue, ids] of this.#places) {
      const set = settings.get(queue);
      const wanted = set?.isPaused ? 0 : (set?.concurrency ?? CONCURRENCY[queue]);
      while (ids.length < wanted && !this.#isClosed) ids.push(await this.#open(queue));
      while (ids.length > wanted) await this.#boss.offWork(queue, { id: ids.pop()!, wait: false });
    }
  }

  async #open(queue: QueueName): Promise<string> {
    const options = {
      includeMetadata: true,
      pollingIntervalSeconds: 2,
      notifyPollingIntervalSeconds: 2,
      heartbeatRefreshSeconds: 3,
    } as const;
    let id: string | null = null;
    id = await this.#boss.work(queue, options, async ([job]) => {
      if (job === undefined) return;
      try {
        await this.#run(queue, job);
      } finally {
        // The next one at once: without, a place rests out its polling interval after each job, however many wait.
        if (id !== null) this.#boss.notifyWorker(id);
      }
    });
    return id;
  }
}
