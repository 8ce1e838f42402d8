import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** The SHA-256 of each part of a file, in base64; of an empty file the one of nothing. */
export async function partDigests(filePath: string, partBytes: number): Promise<string[]> {
  const digests: string[] = [];
  let hash = createHash('sha256');
  let filledBytes = 0;
  for await (const chunk of createReadStream(filePath, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    for (let rest = chunk; rest.length > 0;) {
      if (filledBytes === partBytes) {
        digests.push(hash.digest('base64'));
        hash = createHash('sha256');
        filledBytes = 0;
      }
      const taken = rest.subarray(0, partBytes - filledBytes);
      hash.update(taken);
      filledBytes += taken.length;
      rest = rest.subarray(taken.length);
    }
  }
  digests.push(hash.digest('base64'));
  return digests;
}

/**
 * What S3 gives as the SHA-256 of an object that was uploaded by parts, without the number of parts behind it: the digest
 * of the parts' digests. Source: Amazon S3 user guide, “Checking object integrity”, composite checksums.
 */
export function compositeDigest(digests: readonly string[]): string {
  const hash = createHash('sha256');
  for (const digest of digests) hash.update(Buffer.from(digest, 'base64'));
  return hash.digest('base64');
}
