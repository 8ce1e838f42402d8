/** What is wrong with the system, and what cures it; pure. */

/** Whether something answered: how long it took, or why it did not. */
export type Reach = { readonly kind: 'ok'; readonly ms: number } | { readonly kind: 'failed'; readonly reason: string };

/** How a process sees the world. */
export interface ProcessReport {
  readonly queues: readonly string[];
  readonly versions: Readonly<Record<string, string | null>>;
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number };
  readonly store: Reach;
  readonly delivery: Reach;
  /** How long a notification takes to come; null where this process does not listen. */
  readonly listen: Reach | null;
  /** Those of its version that the database has not had. */
  readonly missingMigrations: readonly string[];
  /** The model of the search; null where none is installed. */
  readonly model: string | null;
}

/** A process that has reported. */
export interface KnownProcess {
  readonly role: string;
  readonly host: string;
  readonly pid: number;
  readonly isLost: boolean;
  readonly report: ProcessReport;
}

/** How a machine of the pool reaches the object store. */
export interface MachineReach {
  readonly slot: number;
  readonly region: string | null;
  readonly reach: Reach;
}

/** Everything that can show a trouble. */
export interface SystemFacts {
  readonly queues: readonly string[];
  readonly processes: readonly KnownProcess[];
  readonly minFreeBytes: number;
  readonly database: { readonly connections: number; readonly allowed: number; readonly oldestTransactionMs: number };
  readonly missingMigrations: readonly string[];
  /** Boots that failed one after another, and why the last one did. */
  readonly boots: { readonly failures: number; readonly lastFailure: string | null };
  readonly machines: readonly MachineReach[];
  /** Cuts of clips for playing that failed one after another, and why the last one did. */
  readonly temporaryClips: { readonly failures: number; readonly lastError: string | null };
}

/** A trouble in a sentence, its cure in another; `anchor` is its heading in docs/operations.md. */
export interface Trouble {
  readonly what: string;
  readonly cure: string;
  readonly anchor: string;
}

const LAG_MS = 3_000;
const FAILURES_IN_A_ROW = 3;
const LONG_TRANSACTION_MS = 10 * 60_000;

/** What each queue is for, so that its lack can be told. */
const WITHOUT: Readonly<Record<string, string>> = {
  default: 'nothing is scheduled: no dispatcher, no clean-up',
  temp_clips: 'clips don’t play',
  media_processing: 'uploads are not encoded, and no machine of the pool boots for them',
  exports: 'approved clips are not exported',
  background_jobs: 'no stills and no search by picture',
};

/** What is wrong now, the worst first. */
export function troublesOf(facts: SystemFacts): Trouble[] {
  const living = facts.processes.filter(({ isLost }) => !isLost);
  const troubles: Trouble[] = [];
  const add = (what: string, cure: string, anchor: string) => troubles.push({ what, cure, anchor });
  const served = new Set(living.flatMap(({ report }) => report.queues));
  // `maintenance` has no jobs of its own yet.
  for (const queue of facts.queues.filter((name) => name in WITHOUT && !served.has(name))) {
    add(`Nobody works on the queue ${queue}: ${WITHOUT[queue]}.`, `Start a worker, or add ${queue} to JOB_QUEUES of one.`, 'jobs-dont-run');
  }
  if (facts.missingMigrations.length > 0) {
    add(`The database lacks ${facts.missingMigrations.join(', ')}.`, 'Run the migrations: a release does it.', 'migrations-are-missing');
  }
  for (const { role, host, report } of living) {
    const who = `the ${role} on ${host}`;
    if (report.store.kind === 'failed') {
      add(
        `The object store can’t be reached by ${who}: ${report.store.reason}`,
        'Look at the bucket, its keys and the network.',
        'the-store-or-the-cdn',
      );
    }
    if (report.delivery.kind === 'failed') {
      add(
        `Signed files can’t be fetched by ${who}: ${report.delivery.reason}`,
        'Look at the distribution and its key pair, or ORIGIN.',
        'the-store-or-the-cdn',
      );
    }
    if (report.listen?.kind === 'failed' || (report.listen?.kind === 'ok' && report.listen.ms > LAG_MS)) {
      add(
        `Live changes come late or not at all to ${who}.`,
        'Look at the LISTEN connection: it needs a direct one, no pooler.',
        'pages-are-not-live',
      );
    }
    if (report.disk.freeBytes < facts.minFreeBytes) {
      add(`The disk of ${who} is nearly full.`, 'Free some space, or lower PLAYBACK_CACHE_MAX_BYTES.', 'the-disk-fills');
    }
  }
  for (const { slot, region, reach } of facts.machines) {
    if (reach.kind === 'ok') continue;
    add(
      `The object store can’t be reached by the machine on slot ${slot}${region === null ? '' : ` in ${region}`}: ${reach.reason}`,
      'Look at the bucket, its keys and the network; then stop the machine on the pool page: another one boots.',
      'the-store-or-the-cdn',
    );
  }
  const { failures, lastError } = facts.temporaryClips;
  if (failures >= FAILURES_IN_A_ROW) {
    add(
      `Clips don’t play: the last ${failures} cuts for it have failed${lastError === null ? '.' : `: ${lastError}`}`,
      'Open one of the failed jobs of temp_clips in the queue monitor; if its video’s proxy is gone from the store, retry the encode.',
      'clips-dont-play',
    );
  }
  if (facts.boots.failures > 1) {
    add(
      `Machines don’t boot, ${facts.boots.failures} times in a row${facts.boots.lastFailure === null ? '' : `: ${facts.boots.lastFailure}`}.`,
      'See the phases of their boots on the pool page; look at FLY_API_TOKEN, the image and the regions.',
      'machines-dont-boot',
    );
  }
  const { connections, allowed, oldestTransactionMs } = facts.database;
  if (connections > allowed * 0.8) {
    add(`${connections} of ${allowed} database connections are taken.`, 'Lower POOL_SIZE, or raise max_connections.', 'the-database');
  }
  if (oldestTransactionMs > LONG_TRANSACTION_MS) {
    add('A transaction has been open for more than ten minutes.', 'Find it in pg_stat_activity and end it.', 'the-database');
  }
  return troubles;
}
