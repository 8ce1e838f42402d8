import { SpeedMeter } from '#lib/client/speed-meter.ts';
import type { Transfer, TransferEnd, TransferLine } from '#lib/client/transfer.ts';

/** `waiting` stands in line, `offline` goes on by itself once the connection is back, `checking` is all sent and being looked at. */
export type UploadState = 'waiting' | 'uploading' | 'checking' | 'offline' | 'paused' | 'done' | 'duplicate' | 'refused' | 'failed';

const OFFLINE_RETRY_MS = 5_000;

/** What an upload tells the page. */
export interface UploadOwner {
  /** An earlier attempt with the same file is being continued. */
  onResumed(unfinishedKey: string): void;
  /** It needs the line no longer, for now or for good. */
  onIdle(): void;
}

/** One file on its way to the server; goes on by itself after a lost connection, and after a reload when the file is chosen again. */
export class Upload {
  readonly file: File;
  readonly #transfer: Transfer;
  readonly #owner: UploadOwner;
  readonly #meter = new SpeedMeter();
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #state = $state<UploadState>('waiting');
  #sentBytes = $state(0);
  #bytesPerSecond = $state<number | null>(null);
  #message = $state('');
  #videoId = $state<number | null>(null);

  constructor(file: File, line: TransferLine, owner: UploadOwner) {
    this.file = file;
    this.#owner = owner;
    this.#transfer = line.open(file, {
      onProgress: (sentBytes) => this.#onProgress(sentBytes),
      onResumed: (unfinishedKey) => owner.onResumed(unfinishedKey),
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
    this.#settle(await this.#transfer.start());
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
    await this.#transfer.stop();
    this.#owner.onIdle();
  }

  /** Stops, and lets the server forget what it has. */
  async cancel(): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#state = 'paused';
    await this.#transfer.cancel();
    this.#owner.onIdle();
  }

  #onProgress(sentBytes: number): void {
    this.#sentBytes = sentBytes;
    this.#bytesPerSecond = this.#meter.measure(sentBytes, performance.now());
    if (sentBytes >= this.file.size && this.#state === 'uploading') this.#state = 'checking';
  }

  #settle(end: TransferEnd): void {
    // Stopped, the attempt has nothing more to say.
    if (this.#state !== 'uploading' && this.#state !== 'checking') return;
    if (end.kind === 'offline') {
      this.#state = 'offline';
      this.#retryTimer = setTimeout(() => void this.start(), OFFLINE_RETRY_MS);
      return;
    }
    if ('message' in end) this.#message = end.message;
    else this.#videoId = end.videoId;
    this.#state = end.kind;
    this.#owner.onIdle();
  }
}
