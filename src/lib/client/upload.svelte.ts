import * as tus from 'tus-js-client';

type UploadState = 'uploading' | 'paused' | 'done' | 'duplicate' | 'failed';

/** One file on its way to the server; resumes by itself after a lost connection, and after a reload when the file is chosen again. */
export class Upload {
  readonly fileName: string;
  readonly #upload: tus.Upload;
  #startedAtMs = 0;
  #startedAtBytes: number | null = null;
  #state = $state<UploadState>('uploading');
  #sentBytes = $state(0);
  #bytesPerSecond = $state(0);
  #message = $state('');
  #videoId = $state<number | null>(null);

  constructor(file: File) {
    this.fileName = file.name;
    this.#upload = new tus.Upload(file, {
      endpoint: '/uploads/',
      metadata: { filename: file.name, filetype: file.type },
      chunkSize: 32 * 2 ** 20,
      retryDelays: [0, 1000, 2000, 5000, 5000, 10_000, 10_000, 20_000, 30_000],
      removeFingerprintOnSuccess: true,
      onProgress: (sent) => {
        this.#sentBytes = sent;
        this.#startedAtBytes ??= sent;
        const seconds = (performance.now() - this.#startedAtMs) / 1000;
        if (seconds > 0.5) this.#bytesPerSecond = (sent - this.#startedAtBytes) / seconds;
      },
      onError: (error) => {
        const body = error instanceof tus.DetailedError ? error.originalResponse?.getBody() : undefined;
        this.#state = 'failed';
        this.#message = body?.trim() || 'The connection was lost. Choose the file again to resume.';
      },
      onSuccess: ({ lastResponse }) => {
        const duplicateOf = lastResponse.getHeader('Heaters-Duplicate-Of');
        this.#videoId = Number(duplicateOf ?? lastResponse.getHeader('Heaters-Video-Id')) || null;
        this.#state = duplicateOf ? 'duplicate' : 'done';
      },
    });
    this.sizeBytes = file.size;
  }

  readonly sizeBytes: number;

  get state(): UploadState {
    return this.#state;
  }

  /** From 0 to 100. */
  get percent(): number {
    return this.sizeBytes === 0 ? 0 : (100 * this.#sentBytes) / this.sizeBytes;
  }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  /** Why it failed; empty while it has not. */
  get message(): string {
    return this.#message;
  }

  get videoId(): number | null {
    return this.#videoId;
  }

  /** Starts, or goes on where an earlier attempt with the same file broke off. */
  async start(): Promise<void> {
    this.#state = 'uploading';
    this.#startedAtMs = performance.now();
    this.#startedAtBytes = null;
    const [previous] = await this.#upload.findPreviousUploads();
    if (previous) this.#upload.resumeFromPreviousUpload(previous);
    this.#upload.start();
  }

  async pause(): Promise<void> {
    await this.#upload.abort();
    this.#state = 'paused';
  }

  async cancel(): Promise<void> {
    await this.#upload.abort(true).catch(() => undefined);
  }
}
