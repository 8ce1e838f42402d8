/** A part of an upload that the store has: its size in bytes and what the store calls its content. */
export interface StoredPart {
  readonly partNumber: number;
  readonly sizeBytes: number;
  readonly etag: string;
}

/** An upload by parts as the store knows it. */
export interface PartUpload {
  readonly key: string;
  /** The store's own name for it. */
  readonly storeUploadId: string;
}

/** What completing an upload came to: `damaged` bytes are not those that were announced, a `gone` upload was ended before. */
export type Completed = { readonly kind: 'ok' } | { readonly kind: 'damaged' } | { readonly kind: 'gone' };

/**
 * Uploads whose bytes go from the browser to the store, past this app: by parts, each to a URL that is signed for
 * exactly its bytes. Part numbers count from 1; a SHA-256 is in base64.
 */
export interface PartUploads {
  /** The origin that the signed URLs lead to. */
  origin(): Promise<string>;
  /** Begins one. */
  begin(key: string): Promise<PartUpload>;
  /** A URL to which a PUT stores the part, for an hour, with `headers` and no other bytes. */
  signPart(
    upload: PartUpload,
    part: { readonly partNumber: number; readonly sizeBytes: number; readonly sha256: string },
  ): Promise<{ url: string; headers: Record<string, string> }>;
  /** The parts that have arrived, in order; null when the upload has been completed or ended. */
  parts(upload: PartUpload): Promise<StoredPart[] | null>;
  /** Makes the parts one object and compares it with the digests that were announced; `sha256` in the order of the parts. */
  complete(upload: PartUpload, parts: readonly (StoredPart & { readonly sha256: string })[]): Promise<Completed>;
  /** Ends one and frees what has arrived. Harmless when it has ended. */
  abort(upload: PartUpload): Promise<void>;
  /** Ends all that began before, but those that the app knows; so ends what a killed process has left. Gives how many. */
  abortUnknown(begunBeforeMs: number, knownStoreUploadIds: ReadonlySet<string>): Promise<number>;
}

/** The size of each part but the last: large files get larger parts, for S3 takes no more than 10 000 of them. */
export function partSizeFor(sizeBytes: number): number {
  const mebibyte = 2 ** 20;
  return Math.max(8 * mebibyte, Math.ceil(sizeBytes / 10_000 / mebibyte) * mebibyte);
}
