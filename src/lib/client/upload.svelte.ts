import * as tus from 'tus-js-client';
import { SpeedMeter } from '#lib/client/speed-meter.ts';

/** `waiting` stands in line, `offline` goes on by itself once the connection is back, `checking` is all sent and being looked at. */
export type UploadState = 'waiting' | 'uploading' | 'checking' | 'offline' | 'paused' | 'done' | 'duplicate' | 'refused' | 'failed';

const ENDPOINT = '/uploads/';
const CHUNK_BYTES = 32 * 2 ** 20;
const OFFLINE_RETRY_MS = 5_000;

/** What an unfinished upload needs, to be recognised when the same file is chosen again. */
export interface UploadOwner {
  /** Whose it is: several people may use one browser. */
  readonly userId: number;
  /** An earlier attempt with the same file is being continued. */
  onResumed(urlStorageKey: string): void;
  /** It needs the line no longer, for now or for good. */
  onIdle(): void;
}

/** One file on its way to the server; goes on by itself after a lost connection, and after a reload when the file is chosen again. */
export class Upload {
  readonly file: File;
  readonly #upload: tus.Upload;
  readonly #owner: UploadOwner;
  readonly #meter = new SpeedMeter();
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #state = $state<UploadState>('waiting');
  #sentBytes = $state(0);
  #bytesPerSecond = $state<number | null>(null);
  #message = $state('');
  #videoId = $state<number | null>(null);

  constructor(file: File, owner: UploadOwner) {
    this.file = file;
    this.#owner = owner;
    this.#upload = new tus.Upload(file, {
      endpoint: ENDPOINT,
      metadata: { filename: file.name, filetype: file.type, ownerId: String(owner.userId) },
      chunkSize: CHUNK_BYTES,
      retryDelays: [0, 1000, 3000],
      removeFingerprintOnSuccess: true,
      onProgress: (sentBytes) => this.#onProgress(sentBytes),
      onError: (error) => void this.#onError(error),
      onSuccess: ({ lastResponse }) => {
        const duplicateOf = lastResponse.getHeader('Heaters-Duplicate-Of');
        this.#videoId = Number(duplicateOf ?? lastResponse.getHeader('Heaters-Video-Id')) || null;
        this.#end(duplicateOf ? 'duplicate' : 'done');
      },
    });
  }

  /** How it stands. */
  get state(): UploadState {
    return this.#state;
  }

  /** From 0 to 100. */
  get percent(): number {
    return this.file.size === 0 ? 0 : (100 * this.#sentBytes) / this.file.size;
  }

  /** Bytes that have been sent. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Its speed over the last seconds; null while not known. */
  get bytesPerSecond(): number | null {
    return this.#state === 'uploading' ? this.#bytesPerSecond : null;
  }

  /** How long it will take at this speed; null while not known. */
  get remainingMs(): number | null {
    const speed = this.bytesPerSecond;
    return speed === null || speed === 0 ? null : (1000 * (this.file.size - this.#sentBytes)) / speed;
  }

  /** Why it was refused or failed; empty while it was not. */
  get message(): string {
    return this.#message;
  }

  /** The video that it became, or the one with the same content. */
  get videoId(): number | null {
    return this.#videoId;
  }

  /** Whether leaving the page would break it off. */
  get isUnderWay(): boolean {
    return ['waiting', 'uploading', 'checking', 'offline'].includes(this.#state);
  }

  /** Starts, or goes on where an earlier attempt with the same file broke off. */
  async start(): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#state = 'uploading';
    this.#message = '';
    this.#bytesPerSecond = null;
    this.#meter.reset();
    const previous = (await this.#previous())[0];
    // Paused or cancelled meanwhile.
    if (this.#state !== 'uploading') return;
    if (previous) {
      this.#upload.resumeFromPreviousUpload(previous);
      this.#owner.onResumed(previous.urlStorageKey);
    }
    this.#upload.start();
  }

  /** Stands in line again, to be started when its turn comes. */
  wait(): void {
    this.#state = 'waiting';
  }

  /** Tries again now if it only waits for the connection. */
  comeBack(): void {
    if (this.#state === 'offline') void this.start();
  }

  /** Stops sending; what is sent stays with the server. */
  async pause(): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#state = 'paused';
    await this.#upload.abort();
    this.#owner.onIdle();
  }

  /** Stops, and lets the server forget what it has. */
  async cancel(): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#state = 'paused';
    // The server may be out of reach: it forgets by itself after a while.
    await this.#upload.abort(true).catch(() => undefined);
    await this.#forget();
    this.#owner.onIdle();
  }

  async #previous(): Promise<tus.PreviousUpload[]> {
    const found = await this.#upload.findPreviousUploads();
    return found.filter((upload) => upload.metadata['ownerId'] === String(this.#owner.userId));
  }

  #onProgress(sentBytes: number): void {
    this.#sentBytes = sentBytes;
    this.#bytesPerSecond = this.#meter.measure(sentBytes, performance.now());
    if (sentBytes >= this.file.size && this.#state === 'uploading') this.#state = 'checking';
  }

  async #onError(error: Error): Promise<void> {
    const answer = error instanceof tus.DetailedError ? error.originalResponse : null;
    if (error instanceof tus.DetailedError && answer === null) {
      this.#state = 'offline';
      this.#retryTimer = setTimeout(() => void this.start(), OFFLINE_RETRY_MS);
      return;
    }
    this.#message = answer?.getBody().trim() || 'The server could not take it. Try again in a moment.';
    const isRefused = answer?.getStatus() === 422 || answer?.getStatus() === 413;
    if (isRefused) await this.#forget();
    this.#end(isRefused ? 'refused' : 'failed');
  }

  #end(state: UploadState): void {
    this.#state = state;
    this.#owner.onIdle();
  }

  async #forget(): Promise<void> {
    for (const { urlStorageKey } of await this.#previous()) await tus.defaultOptions.urlStorage.removeUpload(urlStorageKey);
  }
}

/** An upload that an earlier page began and did not finish. */
export interface UnfinishedUpload {
  readonly urlStorageKey: string;
  readonly fileName: string;
  readonly sizeBytes: number | null;
}

/** The uploads that a person began in this browser and that the server still keeps, oldest first. */
export async function unfinishedUploads(userId: number, keptForMs: number): Promise<UnfinishedUpload[]> {
  const all = await tus.defaultOptions.urlStorage.findAllUploads();
  return all
    .filter(({ metadata, creationTime }) => metadata['ownerId'] === String(userId) && Date.now() - Date.parse(creationTime) < keptForMs)
    .sort((a, b) => Date.parse(a.creationTime) - Date.parse(b.creationTime))
    .map(({ urlStorageKey, metadata, size }) => ({ urlStorageKey, fileName: metadata['filename'] ?? 'A video', sizeBytes: size }));
}

/** Lets the browser and the server forget an unfinished upload. */
export async function forgetUpload(urlStorageKey: string): Promise<void> {
  const { urlStorage } = tus.defaultOptions;
  const known = (await urlStorage.findAllUploads()).find((upload) => upload.urlStorageKey === urlStorageKey);
  if (known?.uploadUrl) await tus.Upload.terminate(known.uploadUrl, { retryDelays: null }).catch(() => undefined);
  await urlStorage.removeUpload(urlStorageKey);
}
