import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { Config } from '#lib/server/config.ts';
import { fail, pass, skip, type Check, type Outcome } from '#lib/server/doctor/check.ts';
import { objectStore, partUploads } from '#lib/server/storage/object-store.ts';
import { signMediaUrl } from '#lib/server/storage/sign-url.ts';

const RIGHTS = 'the rights that docs/storage.md lists';
const LEAST_FREE_BYTES = 10 * 2 ** 30;

/** Whether objects can be written, read, listed and removed. */
export function store(config: Config): Check {
  return {
    name: config.s3 === null ? 'disk' : 'bucket',
    cure:
      config.s3 === null
        ? 'Give the user that runs Heaters the folder DATA_DIR.'
        : `Check PROD_S3_BUCKET_NAME, AWS_REGION and the keys, and give the key ${RIGHTS}.`,
    look: async () => {
      const said = await withProbe(config, async (key, content) => {
        if ((await text(await objectStore().openRead(key))) !== content) return false;
        return (await objectStore().list('doctor/')).some((object) => object.key === key);
      });
      if (said !== true) return fail('what was written is not what is read or listed', 'See whether something in between changes it.');
      const { bavail, bsize } = await statfs(config.dataDir);
      const freeBytes = bavail * bsize;
      const where = config.s3 === null ? config.dataDir : `${config.s3.bucket} in ${config.s3.region}`;
      return freeBytes < LEAST_FREE_BYTES && config.s3 === null
        ? fail(`${where} has only ${gibibytes(freeBytes)} GiB left`, 'Make room on the disk of DATA_DIR, or use a bucket.')
        : pass(`${where} can be written, read, listed and cleared`);
    },
  };
}

/** Whether browsers may upload straight to the bucket: a part is begun, its preflight asked for as a browser would, and ended. */
export function uploads(config: Config): Check {
  const cure = `Set the bucket’s CORS rule of docs/storage.md for the origin ${config.origin}.`;
  return {
    name: 'uploads of browsers',
    cure,
    look: async () => {
      const bucket = partUploads();
      if (bucket === null) return skip('go through the app: there is no bucket');
      const upload = await bucket.begin(`doctor/${randomUUID()}`);
      try {
        const sha256 = createHash('sha256').update('x').digest('base64');
        const { url, headers } = await bucket.signPart(upload, { partNumber: 1, sizeBytes: 1, sha256 });
        const names = Object.keys(headers).join(',');
        const preflight = await fetch(url, {
          method: 'OPTIONS',
          headers: { origin: config.origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': names },
        });
        const allowed = preflight.headers.get('access-control-allow-origin');
        if (!preflight.ok || (allowed !== config.origin && allowed !== '*'))
          return fail(`the bucket refuses uploads from ${config.origin}`, cure);
        const put = await fetch(url, { method: 'PUT', headers: { ...headers, origin: config.origin }, body: 'x' });
        return put.ok
          ? pass(`the bucket takes parts from ${config.origin}`)
          : fail(`a part is refused with status ${put.status}`, `Give the key ${RIGHTS}.`);
      } finally {
        await bucket.abort(upload);
      }
    },
  };
}

/** Whether the distribution delivers what the app signs, and nothing else. */
export function distribution(config: Config): Check {
  const cure = 'Check that the domain is right, its origin is the bucket, and the bucket’s policy lets the distribution read.';
  return {
    name: 'distribution',
    cure,
    look: async () => {
      if (config.cloudFront === null) return skip('is not used: the app delivers media files itself');
      return (await withProbe(config, async (key, content): Promise<Outcome> => {
        const url = signMediaUrl(key, { ttlMs: 60_000 });
        const signed = await fetch(url);
        if (signed.status === 403) {
          return fail(
            'a signed URL is refused',
            'Put the public half of PROD_CLOUDFRONT_PRIVATE_KEY, whose id is PROD_CLOUDFRONT_KEY_PAIR_ID, into the behaviour’s key group.',
          );
        }
        if (!signed.ok || (await signed.text()) !== content) return fail(`a signed URL answers with status ${signed.status}`, cure);
        const bare = await fetch(new URL(new URL(url).pathname, url));
        if (bare.ok)
          return fail(
            'everybody can read everything without a signature',
            'Restrict viewer access in the distribution’s behaviour to the key group.',
          );
        return pass(`${config.cloudFront?.domain} delivers signed URLs and no others`);
      }))!;
    },
  };
}

/** Puts a small object into the store, and removes it whatever happens. */
async function withProbe<T>(config: Config, use: (key: string, content: string) => Promise<T>): Promise<T> {
  await mkdir(config.dataDir, { recursive: true });
  const folder = await mkdtemp(path.join(config.dataDir, 'doctor-'));
  const key = `doctor/${randomUUID()}.txt`;
  try {
    const file = path.join(folder, 'probe.txt');
    const content = `Heaters ${key}`;
    await writeFile(file, content);
    await objectStore().publish(key, file);
    return await use(key, content);
  } finally {
    await rm(folder, { recursive: true, force: true });
    await objectStore()
      .remove(key)
      .catch(() => undefined);
  }
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}
