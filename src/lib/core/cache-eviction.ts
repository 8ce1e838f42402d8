/** A file of a cache. */
export interface CachedFile {
  readonly key: string;
  readonly sizeBytes: number;
  /** When it was last asked for, or made. */
  readonly usedAtMs: number;
}

/** When files leave a cache. */
export interface CacheLimits {
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  /** Below this much free space on its disk, the cache gives back what is missing. */
  readonly minFreeBytes: number;
  /** What was asked for in this time stays, whatever the pressure: it may be playing. */
  readonly inUseMs: number;
}

/**
 * The files that have to go, least recently used first: those that nobody has asked for in a while,
 * then as many as bring the cache within its size and the disk back to its reserve.
 */
export function filesToEvict<File extends CachedFile>(
  files: readonly File[],
  limits: CacheLimits,
  { nowMs, freeBytes }: { readonly nowMs: number; readonly freeBytes: number },
): File[] {
  let surplusBytes = Math.max(
    files.reduce((sum, file) => sum + file.sizeBytes, 0) - limits.maxBytes,
    Math.max(0, limits.minFreeBytes - freeBytes),
  );
  return files
    .filter((file) => nowMs - file.usedAtMs > limits.inUseMs)
    .toSorted((one, other) => one.usedAtMs - other.usedAtMs)
    .filter((file) => {
      if (nowMs - file.usedAtMs <= limits.maxAgeMs && surplusBytes <= 0) return false;
      surplusBytes -= file.sizeBytes;
      return true;
    });
}
