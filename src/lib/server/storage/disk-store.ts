import { access, constants, copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Availability, ObjectStat, ObjectStore } from '#lib/server/storage/object-store.ts';

/** Objects as files below one folder; all storage classes are one disk. */
export class DiskStore implements ObjectStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = path.resolve(root);
  }

  async check(): Promise<void> {
    await mkdir(this.#root, { recursive: true });
    await access(this.#root, constants.R_OK | constants.W_OK);
  }

  async publish(key: string, localPath: string): Promise<void> {
    const target = this.#pathOf(key);
    await mkdir(path.dirname(target), { recursive: true });
    const file = await open(localPath, 'r');
    // On the disk before the name shows it: a power cut leaves no half object.
    await file.sync().finally(() => file.close());
    try {
      await rename(localPath, target);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
      const besideTarget = `${target}.${process.pid}.part`;
      await copyFile(localPath, besideTarget);
      await rename(besideTarget, target);
      await rm(localPath, { force: true });
    }
  }

  inputFor(key: string): Promise<string> {
    return Promise.resolve(this.#pathOf(key));
  }

  async stat(key: string): Promise<ObjectStat | null> {
    const found = await stat(this.#pathOf(key)).catch(absentAsNull);
    return found?.isFile()
      ? { sizeBytes: found.size, etag: `"${found.size.toString(36)}-${Math.trunc(found.mtimeMs).toString(36)}"` }
      : null;
  }

  async openRead(key: string, range?: { readonly start: number; readonly end: number }): Promise<Readable> {
    // Opened here: a file that is gone is the caller's error, and not that of a stream to which nobody listens yet.
    const file = await open(this.#pathOf(key), 'r');
    return file.createReadStream(range);
  }

  async list(prefix: string): Promise<{ key: string; sizeBytes: number; usedAtMs: number }[]> {
    const folder = prefix === '' ? this.#root : this.#pathOf(prefix);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(absentAsNull);
    const files = (entries ?? []).filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
    const found = await Promise.all(files.map(async (file) => ({ file, stats: await stat(file).catch(absentAsNull) })));
    return found.flatMap(({ file, stats }) =>
      stats === null
        ? []
        : [{ key: path.relative(this.#root, file), sizeBytes: stats.size, usedAtMs: Math.max(stats.atimeMs, stats.mtimeMs) }],
    );
  }

  async availability(key: string): Promise<Availability | null> {
    return (await this.stat(key)) === null ? null : { kind: 'ready' };
  }

  /** A disk has no archive: what is there can be read. */
  restore(): Promise<void> {
    return Promise.resolve();
  }

  async remove(key: string): Promise<void> {
    await rm(this.#pathOf(key), { force: true });
  }

  async removePrefix(prefix: string): Promise<void> {
    await rm(this.#pathOf(prefix), { recursive: true, force: true });
  }

  #pathOf(key: string): string {
    const file = path.resolve(this.#root, key);
    if (key.includes('\0') || !file.startsWith(this.#root + path.sep)) throw new Error('An object key leads out of the store.');
    return file;
  }
}

function absentAsNull(error: unknown): null {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
  throw error;
}
