/** Queues of pg-boss; `JOB_QUEUES` names those that a process works on. */
export const QUEUES = ['default', 'media_processing', 'exports', 'temp_clips', 'background_jobs', 'maintenance'] as const;
export type QueueName = (typeof QUEUES)[number];

/** The runner pool that the stages with `where: 'pool'` call. */
export const RUNNER_POOL = 'media';

/** What a stage works on; its job's input is `{ itemId }` of that kind. */
export type ItemKind = 'video' | 'clip';

/**
 * The pipeline, in order. `where: 'pool'` marks the CPU-heavy stages: they call a task of
 * the runner pool, the others run in the worker itself. `expireInSeconds` bounds one attempt.
 */
export const STAGES = {
  download: {
    queue: 'media_processing',
    item: 'video',
    where: 'worker',
    retryLimit: 3,
    expireInSeconds: 3_600,
    priority: 0,
    label: 'Download',
    next: ['encode'],
  },
  encode: {
    queue: 'media_processing',
    item: 'video',
    where: 'pool',
    retryLimit: 2,
    expireInSeconds: 6 * 3_600,
    priority: 0,
    label: 'Encode',
    next: ['detect-scenes'],
  },
  'detect-scenes': {
    queue: 'media_processing',
    item: 'video',
    where: 'pool',
    retryLimit: 2,
    expireInSeconds: 3_600,
    priority: 5,
    label: 'Find cuts',
    next: ['keyframes'],
  },
  'temp-clip': {
    queue: 'temp_clips',
    item: 'clip',
    where: 'worker',
    retryLimit: 2,
    expireInSeconds: 120,
    priority: 0,
    label: 'Prepare playback',
    next: [],
  },
  export: {
    queue: 'exports',
    item: 'clip',
    where: 'pool',
    retryLimit: 2,
    expireInSeconds: 1_800,
    priority: 10,
    label: 'Export',
    next: [],
  },
  keyframes: {
    queue: 'background_jobs',
    item: 'video',
    where: 'worker',
    retryLimit: 2,
    expireInSeconds: 3_600,
    priority: 0,
    label: 'Keyframes',
    next: ['colors', 'embed'],
  },
  colors: {
    queue: 'background_jobs',
    item: 'video',
    where: 'worker',
    retryLimit: 2,
    expireInSeconds: 1_800,
    priority: 0,
    label: 'Colours',
    next: [],
  },
  embed: {
    queue: 'background_jobs',
    item: 'video',
    where: 'worker',
    retryLimit: 2,
    expireInSeconds: 3_600,
    priority: 0,
    label: 'Embeddings',
    next: [],
  },
} as const satisfies Record<string, StageDefinition>;

export type StageName = keyof typeof STAGES;

interface StageDefinition {
  readonly queue: QueueName;
  readonly item: ItemKind;
  readonly where: 'worker' | 'pool';
  readonly retryLimit: number;
  readonly expireInSeconds: number;
  readonly label: string;
  /** Of its calls in the pool: what a person waits for goes first. */
  readonly priority: number;
  /** Stages of the same item that it enqueues when it is done. */
  readonly next: readonly string[];
}
