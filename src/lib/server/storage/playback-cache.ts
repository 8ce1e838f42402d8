import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stat, statfs, utimes } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { filesToEvict, type CacheLimits } from '#lib/core/cache-eviction.ts';
import { config } from '#lib/server/config.ts';
import { DiskStore } from '#lib/server/storage/disk-store.ts';
import type { ObjectStat } from '#lib/server/storage/object-store.ts';

/** A cache after a sweep. */
export interface CacheState {
  readonly removedKeys: readonly string[];
  readonly fileCount: number;
  readonly sizeBytes: number;
  readonly diskFreeBytes: number;
}

/** The playback files on this machine's disk. Each can be made again from its proxy at any time. */
export class PlaybackCache {
  /** Names this cache among those of other machines. */
  readonly id: string;
  readonly #folder: string;
  readonly #files: DiskStore;
  /** How many answers read a file at this moment. */
  readonly #readers = new Map<string, number>();

  constructor(folder: string, id: string) {
    this.id = id;
    this.#folder = folder;
    this.#files = new DiskStore(folder);
  }

  /** Makes a finished local file that of `key`, in one step, and removes the file. */
  publish(key: string, localPath: string): Promise<void> {
    return this.#files.publish(key, localPath);
  }

  stat(key: string): Promise<ObjectStat | null> {
    return this.#files.stat(key);
  }

  /** Whether the file is there; asking for it keeps it from being swept for a while. */
  async use(key: string): Promise<boolean> {
    const file = await this.#files.inputFor(key);
    try {
      // The time of change stays: it is part of the ETag.
      await utimes(file, new Date(), (await stat(file)).mtime);
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
      throw error;
    }
  }

  /** The bytes from `start` to `end`, both included. The file stays until they are read. */
  async openRead(key: string, range?: { readonly start: number; readonly end: number }): Promise<Readable> {
    const stream = await this.#files.openRead(key, range);
    this.#readers.set(key, (this.#readers.get(key) ?? 0) + 1);
    stream.once('close', () => {
      const others = (this.#readers.get(key) ?? 1) - 1;
      if (others === 0) this.#readers.delete(key);
      else this.#readers.set(key, others);
    });
    return stream;
  }

  /** Removes what has to go by the limits, never a file that is being read. */
  async sweep(limits: CacheLimits, nowMs = Date.now()): Promise<CacheState> {
    const files = (await this.#files.list('')).filter(({ key }) => key.endsWith('.mp4'));
    const freeBytes = await this.#diskFreeBytes();
    const idle = files.filter(({ key }) => !this.#readers.has(key));
    const inUseBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0) - idle.reduce((sum, file) => sum + file.sizeBytes, 0);
    const removed = filesToEvict(idle, { ...limits, maxBytes: Math.max(0, limits.maxBytes - inUseBytes) }, { nowMs, freeBytes });
    for (const { key } of removed) await this.#files.remove(key);
    const gone = new Set(removed.map(({ key }) => key));
    const left = files.filter(({ key }) => !gone.has(key));
    return {
      removedKeys: [...gone],
      fileCount: left.length,
      sizeBytes: left.reduce((sum, file) => sum + file.sizeBytes, 0),
      diskFreeBytes: await this.#diskFreeBytes(),
    };
  }

  async #diskFreeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folder);
    return bavail * bsize;
  }
}

let cache: PlaybackCache | undefined;

/** The playback cache of this machine: all of its processes share one folder. */
export function playbackCache(): PlaybackCache {
  if (cache === undefined) {
    const folder = path.join(config().dataDir, 'playback');
    mkdirSync(folder, { recursive: true });
    cache = new PlaybackCache(folder, config().machineId ?? ownId(path.join(folder, 'id')));
  }
  return cache;
}

/** An id that stays with the folder; whichever process is first gives it. */
function ownId(file: string): string {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, randomUUID());
  try {
    linkSync(draft, file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  rmSync(draft);
  return readFileSync(file, 'utf8');
}
