import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  paginateListObjectsV2,
  RestoreObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
  type HeadObjectCommandOutput,
  type ListMultipartUploadsCommandOutput,
  type ListPartsCommandOutput,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { S3Settings } from '#lib/server/config.ts';
import { contentTypeOf } from '#lib/server/storage/content-type.ts';
import type { Availability, ObjectStat, ObjectStore, StorageClass } from '#lib/server/storage/object-store.ts';
import { compositeDigest, partDigests } from '#lib/server/storage/part-digest.ts';
import { partSizeFor, type Completed, type PartUpload, type PartUploads, type StoredPart } from '#lib/server/storage/part-uploads.ts';

/** As long as the longest stage may take. */
const INPUT_URL_SECONDS = 6 * 3_600;
const PART_URL_SECONDS = 3_600;
const PARTS_AT_ONCE = 4;
/** S3 removes no more with one request. */
const REMOVED_AT_ONCE = 1_000;
/** What is at a key never changes: it is only removed. */
const CACHE_CONTROL = 'max-age=86400, immutable';
const CHECKSUM_HEADER = 'x-amz-checksum-sha256';

/** Objects in an S3 bucket, and uploads to it by parts. */
export class S3Store implements ObjectStore, PartUploads {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #coldClass: S3Settings['masterStorageClass'];

  constructor({ bucket, region, accessKeyId, secretAccessKey, endpoint, masterStorageClass }: S3Settings) {
    this.#bucket = bucket;
    this.#coldClass = masterStorageClass;
    this.#client = new S3Client({
      region,
      credentials: { accessKeyId, secretAccessKey },
      // Other servers than Amazon's seldom have a host name for each bucket.
      ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
      // Not adaptive: its limiter reckons with the wall clock, and stands still for as long as that was set back.
      ...{ retryMode: 'standard', maxAttempts: 6 },
      requestHandler: { connectionTimeout: 5_000, socketTimeout: 60_000 },
    });
  }

  async check(): Promise<void> {
    // That there is no such object is an answer too.
    await this.stat('health/none');
  }

  async publish(
    key: string,
    localPath: string,
    { storageClass = 'standard' }: { readonly storageClass?: StorageClass } = {},
  ): Promise<void> {
    const { size: sizeBytes } = await stat(localPath);
    const partSize = partSizeFor(sizeBytes);
    const digests = await partDigests(localPath, partSize);
    const body = createReadStream(localPath);
    // Aborts the upload by itself when a part fails for good.
    const upload = new Upload({
      client: this.#client,
      params: {
        ...this.#at(key),
        Body: body,
        ChecksumAlgorithm: 'SHA256',
        StorageClass: storageClass === 'cold' ? this.#coldClass : 'STANDARD',
        ContentType: contentTypeOf(key),
        CacheControl: CACHE_CONTROL,
      },
      partSize,
      queueSize: PARTS_AT_ONCE,
    });
    await upload.done().finally(() => body.destroy());
    if (!(await this.#holds(key, sizeBytes, digests))) {
      await this.remove(key);
      throw new Error(`The object store did not get ${key} as it was sent.`);
    }
    await rm(localPath, { force: true });
  }

  inputFor(key: string): Promise<string> {
    return getSignedUrl(this.#client, new GetObjectCommand(this.#at(key)), { expiresIn: INPUT_URL_SECONDS });
  }

  async stat(key: string): Promise<ObjectStat | null> {
    const head = await this.#head(key);
    return head === null ? null : { sizeBytes: head.ContentLength ?? 0, etag: head.ETag ?? '""' };
  }

  async openRead(key: string, range?: { readonly start: number; readonly end: number }): Promise<Readable> {
    const Range = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` };
    const { Body } = await this.#client.send(new GetObjectCommand({ ...this.#at(key), ...Range }));
    return Body as Readable;
  }

  async list(prefix: string): Promise<{ key: string; sizeBytes: number; usedAtMs: number }[]> {
    const objects: { key: string; sizeBytes: number; usedAtMs: number }[] = [];
    // S3 does not tell when an object was last read.
    for await (const page of paginateListObjectsV2({ client: this.#client }, { Bucket: this.#bucket, Prefix: prefix })) {
      for (const { Key: key, Size: sizeBytes, LastModified: usedAt } of page.Contents ?? []) {
        if (key !== undefined) objects.push({ key, sizeBytes: sizeBytes ?? 0, usedAtMs: usedAt?.getTime() ?? 0 });
      }
    }
    return objects;
  }

  async availability(key: string): Promise<Availability | null> {
    const head = await this.#head(key);
    if (head === null) return null;
    if (head.StorageClass !== 'GLACIER' && head.StorageClass !== 'DEEP_ARCHIVE') return { kind: 'ready' };
    // `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`; source: Amazon S3 API reference, HeadObject.
    const restore = head.Restore ?? '';
    if (restore.includes('ongoing-request="true"')) return { kind: 'restoring' };
    const untilMs = Date.parse(/expiry-date="([^"]+)"/.exec(restore)?.[1] ?? '');
    return untilMs > Date.now() ? { kind: 'restored', untilMs } : { kind: 'archived' };
  }

  async restore(key: string, days: number): Promise<void> {
    if ((await this.availability(key))?.kind !== 'archived') return;
    const RestoreRequest = { Days: days, GlacierJobParameters: { Tier: 'Standard' as const } };
    await this.#client.send(new RestoreObjectCommand({ ...this.#at(key), RestoreRequest })).catch((error: unknown) => {
      // Somebody else was a moment faster.
      if (!isNamed(error, 'RestoreAlreadyInProgress')) throw error;
    });
  }

  async remove(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#at(key)));
  }

  async removePrefix(prefix: string): Promise<void> {
    // Only whole folders: an empty prefix is the whole bucket.
    this.#at(prefix.replace(/\/$/, ''));
    const keys = (await this.list(prefix)).map(({ key }) => key);
    for (let start = 0; start < keys.length; start += REMOVED_AT_ONCE) {
      const Objects = keys.slice(start, start + REMOVED_AT_ONCE).map((Key) => ({ Key }));
      const { Errors } = await this.#client.send(new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects, Quiet: true } }));
      const failed = Errors?.[0];
      if (failed !== undefined) throw new Error(`The object store keeps ${failed.Key}: ${failed.Code} ${failed.Message}`);
    }
  }

  async origin(): Promise<string> {
    return new URL(await this.inputFor('origin')).origin;
  }

  async begin(key: string): Promise<PartUpload> {
    const { UploadId } = await this.#client.send(
      new CreateMultipartUploadCommand({
        ...this.#at(key),
        ...{ ChecksumAlgorithm: 'SHA256', ContentType: contentTypeOf(key), CacheControl: CACHE_CONTROL },
      }),
    );
    if (UploadId === undefined) throw new Error('The object store began an upload and did not name it.');
    return { key, storeUploadId: UploadId };
  }

  async signPart(upload: PartUpload, part: { readonly partNumber: number; readonly sizeBytes: number; readonly sha256: string }) {
    const command = new UploadPartCommand({
      ...this.#in(upload),
      ...{ PartNumber: part.partNumber, ContentLength: part.sizeBytes, ChecksumSHA256: part.sha256 },
    });
    // As a header, which the signature covers and S3 compares with what arrives.
    const url = await getSignedUrl(this.#client, command, {
      expiresIn: PART_URL_SECONDS,
      unhoistableHeaders: new Set([CHECKSUM_HEADER]),
    });
    return { url, headers: { [CHECKSUM_HEADER]: part.sha256 } };
  }

  async parts(upload: PartUpload): Promise<StoredPart[] | null> {
    const parts: StoredPart[] = [];
    // Not by the SDK's paginator, which goes by the marker: S3 gives one with the last page too.
    for (let after: { PartNumberMarker?: string | undefined } | null = {}; after !== null;) {
      const page: ListPartsCommandOutput | null = await this.#client
        .send(new ListPartsCommand({ ...this.#in(upload), ...after }))
        .catch((error: unknown) => {
          if (isNamed(error, 'NoSuchUpload')) return null;
          throw error;
        });
      if (page === null) return null;
      for (const { PartNumber: partNumber, Size: sizeBytes, ETag: etag } of page.Parts ?? []) {
        if (partNumber !== undefined && etag !== undefined) parts.push({ partNumber, sizeBytes: sizeBytes ?? 0, etag });
      }
      after = page.IsTruncated ? { PartNumberMarker: page.NextPartNumberMarker } : null;
    }
    return parts;
  }

  async complete(upload: PartUpload, parts: readonly (StoredPart & { readonly sha256: string })[]): Promise<Completed> {
    const Parts = parts.map(({ partNumber, etag, sha256 }) => ({ PartNumber: partNumber, ETag: etag, ChecksumSHA256: sha256 }));
    try {
      await this.#client.send(new CompleteMultipartUploadCommand({ ...this.#in(upload), MultipartUpload: { Parts } }));
    } catch (error) {
      if (isNamed(error, 'NoSuchUpload')) return { kind: 'gone' };
      if (isNamed(error, 'InvalidPart') || isNamed(error, 'BadDigest')) return { kind: 'damaged' };
      throw error;
    }
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    const digests = parts.map((part) => part.sha256);
    return { kind: (await this.#holds(upload.key, sizeBytes, digests, true)) ? 'ok' : 'damaged' };
  }

  async abort(upload: PartUpload): Promise<void> {
    await this.#client.send(new AbortMultipartUploadCommand(this.#in(upload))).catch((error: unknown) => {
      if (!isNamed(error, 'NoSuchUpload')) throw error;
    });
  }

  async abortUnknown(begunBeforeMs: number, knownStoreUploadIds: ReadonlySet<string>): Promise<number> {
    let count = 0;
    let after: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | null = {};
    while (after !== null) {
      const page: ListMultipartUploadsCommandOutput = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket: this.#bucket, ...after }),
      );
      for (const { Key: key, UploadId: storeUploadId, Initiated: begunAt } of page.Uploads ?? []) {
        if (key === undefined || storeUploadId === undefined || knownStoreUploadIds.has(storeUploadId)) continue;
        if ((begunAt?.getTime() ?? begunBeforeMs) >= begunBeforeMs) continue;
        await this.abort({ key, storeUploadId });
        count += 1;
      }
      after = page.IsTruncated ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : null;
    }
    return count;
  }

  async #head(key: string): Promise<HeadObjectCommandOutput | null> {
    try {
      return await this.#client.send(new HeadObjectCommand({ ...this.#at(key), ChecksumMode: 'ENABLED' }));
    } catch (error) {
      if (isNamed(error, 'NotFound') || isNamed(error, 'NoSuchKey')) return null;
      throw error;
    }
  }

  /** Whether what the store has at a key is what was sent to it. A server that keeps no checksums is asked for the size alone. */
  async #holds(key: string, sizeBytes: number, digests: readonly string[], isByParts = digests.length > 1): Promise<boolean> {
    const head = await this.#head(key);
    if (head === null || head.ContentLength !== sizeBytes) return false;
    const sent = isByParts ? compositeDigest(digests) : digests[0];
    return head.ChecksumSHA256 === undefined || head.ChecksumSHA256.replace(/-\d+$/, '') === sent;
  }

  #at(key: string) {
    if (key.includes('\0') || key.split('/').some((part) => part === '' || part === '..')) {
      throw new Error('An object key leads out of the store.');
    }
    return { Bucket: this.#bucket, Key: key };
  }

  #in({ key, storeUploadId }: PartUpload) {
    return { ...this.#at(key), UploadId: storeUploadId };
  }
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof S3ServiceException && error.name === name;
}
