/** How an attempt to send a file ended. `offline`: the server could not be reached; it goes on later. */
export type TransferEnd =
  | { readonly kind: 'done' | 'duplicate'; readonly videoId: number | null }
  | { readonly kind: 'refused' | 'failed'; readonly message: string }
  | { readonly kind: 'offline' };

/** A way for one file to the server. */
export interface Transfer {
  /** Sends what has not arrived yet. Settles when it has ended; never, when it was stopped. */
  start(): Promise<TransferEnd>;
  /** Stops sending; what has arrived stays. */
  stop(): Promise<void>;
  /** Stops, and lets the server and this browser forget what has arrived. */
  cancel(): Promise<void>;
}

/** Whom a transfer tells how it goes on. */
export interface TransferHooks {
  onProgress(sentBytes: number): void;
  /** An earlier attempt with the same file is being continued. */
  onResumed(unfinishedKey: string): void;
}

/** An upload that an earlier page began and did not finish. */
export interface UnfinishedUpload {
  readonly key: string;
  readonly fileName: string;
  readonly sizeBytes: number | null;
}

/** A way for files to the server, with what earlier pages left unfinished on it. */
export interface TransferLine {
  open(file: File, hooks: TransferHooks): Transfer;
  /** What this person began and did not finish, oldest first. */
  unfinished(): Promise<UnfinishedUpload[]>;
  /** Lets the server forget an unfinished upload. */
  forget(key: string): Promise<void>;
}
