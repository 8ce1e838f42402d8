import type { Readable } from 'node:stream';
import path from 'node:path';
import { config } from '#lib/server/config.ts';
import { DiskStore } from '#lib/server/storage/disk-store.ts';
import type { PartUploads } from '#lib/server/storage/part-uploads.ts';
import { S3Store } from '#lib/server/storage/s3-store.ts';

/** An object's size and what names its content in an ETag. */
export interface ObjectStat {
  readonly sizeBytes: number;
  readonly etag: string;
}

/** Where an object is meant to lie: `cold` is cheap to keep and must be restored before it can be read. */
export type StorageClass = 'standard' | 'cold';

/** Whether an object can be read now. */
export type Availability =
  | { readonly kind: 'ready' }
  | { readonly kind: 'archived' }
  | { readonly kind: 'restoring' }
  /** Back from the archive; the readable copy goes again then. */
  | { readonly kind: 'restored'; readonly untilMs: number };

/** Where media files live. A key is a relative path such as `proxies/3/…/proxy.mp4`. */
export interface ObjectStore {
  /** Whether objects can be reached now: throws what is in the way. */
  check(): Promise<void>;
  /** Makes a finished local file the object `key`, in one step, and removes the file. */
  publish(key: string, localPath: string, options?: { readonly storageClass?: StorageClass }): Promise<void>;
  /** What ffmpeg may read the object from: a path, or a URL that is good for the length of a job. */
  inputFor(key: string): Promise<string>;
  /** Size and ETag, or null when there is no such object. */
  stat(key: string): Promise<ObjectStat | null>;
  /** The bytes from `start` to `end`, both included; all of them without a range. */
  openRead(key: string, range?: { readonly start: number; readonly end: number }): Promise<Readable>;
  /** The objects whose key begins so, with when each was last read or written. */
  list(prefix: string): Promise<{ key: string; sizeBytes: number; usedAtMs: number }[]>;
  /** Whether the object can be read now, or null when there is no such object. */
  availability(key: string): Promise<Availability | null>;
  /** Asks for a readable copy of an archived object for some days. Harmless when it is readable or on its way. */
  restore(key: string, days: number): Promise<void>;
  /** Removes the object if it is there. */
  remove(key: string): Promise<void>;
  /** Removes all objects of a folder; `prefix` ends with a slash. */
  removePrefix(prefix: string): Promise<void>;
}

let disk: ObjectStore | undefined;
let s3: S3Store | undefined;

/** The object store of this process: a bucket where one is configured, else the disk. */
export function objectStore(): ObjectStore {
  disk ??= new DiskStore(path.join(config().dataDir, 'store'));
  return s3Store() ?? disk;
}

/** Where browsers upload to past this app; null where the objects are on disk. */
export function partUploads(): PartUploads | null {
  return s3Store();
}

function s3Store(): S3Store | null {
  const settings = config().s3;
  if (settings === null) return null;
  return (s3 ??= new S3Store(settings));
}
