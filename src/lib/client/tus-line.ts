import * as tus from 'tus-js-client';
import type { Transfer, TransferEnd, TransferHooks, TransferLine, UnfinishedUpload } from '#lib/client/transfer.ts';

const ENDPOINT = '/uploads/';
const CHUNK_BYTES = 32 * 2 ** 20;
/** As long as the server keeps what was sent. */
const KEPT_FOR_MS = 7 * 24 * 3_600_000;

/** Files to the app itself, by the tus protocol (https://tus.io). `userId`: whose they are, for several people may use one browser. */
export class TusLine implements TransferLine {
  readonly #userId: number;

  constructor(userId: number) {
    this.#userId = userId;
  }

  open(file: File, hooks: TransferHooks): Transfer {
    return new TusTransfer(file, this.#userId, hooks);
  }

  async unfinished(): Promise<UnfinishedUpload[]> {
    const all = await tus.defaultOptions.urlStorage.findAllUploads();
    return all
      .filter(
        ({ metadata, creationTime }) => metadata['ownerId'] === String(this.#userId) && Date.now() - Date.parse(creationTime) < KEPT_FOR_MS,
      )
      .sort((a, b) => Date.parse(a.creationTime) - Date.parse(b.creationTime))
      .map(({ urlStorageKey, metadata, size }) => ({ key: urlStorageKey, fileName: metadata['filename'] ?? 'A video', sizeBytes: size }));
  }

  async forget(key: string): Promise<void> {
    const { urlStorage } = tus.defaultOptions;
    const known = (await urlStorage.findAllUploads()).find((upload) => upload.urlStorageKey === key);
    if (known?.uploadUrl) await tus.Upload.terminate(known.uploadUrl, { retryDelays: null }).catch(() => undefined);
    await urlStorage.removeUpload(key);
  }
}

class TusTransfer implements Transfer {
  readonly #upload: tus.Upload;
  readonly #userId: number;
  readonly #hooks: TransferHooks;
  #ended: (end: TransferEnd) => void = () => undefined;
  #isStopped = false;

  constructor(file: File, userId: number, hooks: TransferHooks) {
    this.#userId = userId;
    this.#hooks = hooks;
    this.#upload = new tus.Upload(file, {
      endpoint: ENDPOINT,
      metadata: { filename: file.name, filetype: file.type, ownerId: String(userId) },
      chunkSize: CHUNK_BYTES,
      retryDelays: [0, 1000, 3000],
      removeFingerprintOnSuccess: true,
      onProgress: (sentBytes) => hooks.onProgress(sentBytes),
      onError: (error) => void this.#onError(error),
      onSuccess: ({ lastResponse }) => {
        const duplicateOf = lastResponse.getHeader('Heaters-Duplicate-Of');
        const videoId = Number(duplicateOf ?? lastResponse.getHeader('Heaters-Video-Id')) || null;
        this.#ended({ kind: duplicateOf ? 'duplicate' : 'done', videoId });
      },
    });
  }

  async start(): Promise<TransferEnd> {
    const { promise, resolve } = Promise.withResolvers<TransferEnd>();
    this.#ended = resolve;
    this.#isStopped = false;
    const previous = (await this.#previous())[0];
    if (this.#isStopped) return promise;
    if (previous) {
      this.#upload.resumeFromPreviousUpload(previous);
      this.#hooks.onResumed(previous.urlStorageKey);
    }
    this.#upload.start();
    return promise;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#upload.abort();
  }

  async cancel(): Promise<void> {
    this.#isStopped = true;
    // The server may be out of reach: it forgets by itself after a while.
    await this.#upload.abort(true).catch(() => undefined);
    await this.#forget();
  }

  async #previous(): Promise<tus.PreviousUpload[]> {
    const found = await this.#upload.findPreviousUploads();
    return found.filter((upload) => upload.metadata['ownerId'] === String(this.#userId));
  }

  async #onError(error: Error): Promise<void> {
    const answer = error instanceof tus.DetailedError ? error.originalResponse : null;
    if (error instanceof tus.DetailedError && answer === null) return this.#ended({ kind: 'offline' });
    const message = answer?.getBody().trim() || 'The server could not take it. Try again in a moment.';
    const isRefused = answer?.getStatus() === 422 || answer?.getStatus() === 413;
    if (isRefused) await this.#forget();
    this.#ended({ kind: isRefused ? 'refused' : 'failed', message });
  }

  async #forget(): Promise<void> {
    for (const { urlStorageKey } of await this.#previous()) await tus.defaultOptions.urlStorage.removeUpload(urlStorageKey);
  }
}
