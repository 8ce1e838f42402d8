import type { Readable } from 'node:stream';
import path from 'node:path';
import { config } from '#lib/server/config.ts';
import { DiskStore } from '#lib/server/storage/disk-store.ts';

/** An object's size and what names its content in an ETag. */
export interface ObjectStat {
  readonly sizeBytes: number;
  readonly etag: string;
}

/** Where media files live. A key is a relative path such as `proxies/3/…/proxy.mp4`. */
export interface ObjectStore {
  /** Makes a finished local file the object `key`, in one step, and removes the file. */
  publish(key: string, localPath: string): Promise<void>;
  /** A path under which ffmpeg may read the object. */
  localPath(key: string): Promise<string>;
  /** Size and ETag, or null when there is no such object. */
  stat(key: string): Promise<ObjectStat | null>;
  /** The bytes from `start` to `end`, both included; all of them without a range. */
  openRead(key: string, range?: { readonly start: number; readonly end: number }): Promise<Readable>;
  /** The objects whose key begins so, with when each was last read or written. */
  list(prefix: string): Promise<{ key: string; sizeBytes: number; usedAtMs: number }[]>;
  /** Removes the object if it is there. */
  remove(key: string): Promise<void>;
  /** Removes all objects of a folder; `prefix` ends with a slash. */
  removePrefix(prefix: string): Promise<void>;
}

let store: ObjectStore | undefined;

/** The object store of this process. */
export function objectStore(): ObjectStore {
  store ??= new DiskStore(path.join(config().dataDir, 'store'));
  return store;
}
