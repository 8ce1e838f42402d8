import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, openSync, closeSync, ftruncateSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DiskStore } from '#lib/server/storage/disk-store.ts';
import type { ObjectStore } from '#lib/server/storage/object-store.ts';
import { S3Store } from '#lib/server/storage/s3-store.ts';
import { startS3Server, type S3Server } from '../support/s3-server.ts';

const MEBIBYTE = 2 ** 20;
let folder: string;
let server: S3Server;
let s3: S3Store;
beforeAll(async () => {
  folder = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'stores-'));
  server = await startS3Server();
  s3 = new S3Store(server.settings);
});
afterEach(() => server.proxy.heal());
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function fileOf(content: string | Buffer): string {
  const file = path.join(folder, 'new');
  writeFileSync(file, content);
  return file;
}
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const read = async (store: ObjectStore, key: string) => buffer(await store.openRead(key));

describe.each<[string, () => ObjectStore]>([
  ['a disk', () => new DiskStore(path.join(folder, 'store'))],
  ['a bucket', () => s3],
])('on %s', (_name, storeOf) => {
  it('a published file is the object, byte for byte, and gone from where it was', async () => {
    const store = storeOf();
    const file = fileOf('a film');
    await store.publish('clips/1/a b/ü #1.mp4', file);
    expect(existsSync(file)).toBe(false);
    expect(await store.stat('clips/1/a b/ü #1.mp4')).toMatchObject({ sizeBytes: 6, etag: expect.stringMatching(/^".+"$/) });
    expect((await read(store, 'clips/1/a b/ü #1.mp4')).toString()).toBe('a film');
    expect((await buffer(await store.openRead('clips/1/a b/ü #1.mp4', { start: 2, end: 3 }))).toString()).toBe('fi');
    await store.publish('clips/1/a b/ü #1.mp4', fileOf('another film'));
    expect((await read(store, 'clips/1/a b/ü #1.mp4')).toString()).toBe('another film');
  });

  it('an empty file is an object too', async () => {
    await storeOf().publish('clips/1/empty.mp4', fileOf(''));
    expect(await storeOf().stat('clips/1/empty.mp4')).toMatchObject({ sizeBytes: 0 });
  });

  it('what is not there is null, and removing it is harmless', async () => {
    expect(await storeOf().stat('clips/9/none.mp4')).toBeNull();
    expect(await storeOf().availability('clips/9/none.mp4')).toBeNull();
    await storeOf().remove('clips/9/none.mp4');
    await storeOf().removePrefix('clips/9/');
  });

  it('a folder is listed and removed with everything below it, and with nothing beside it', async () => {
    const store = storeOf();
    const beforeMs = Date.now() - 2_000;
    for (const key of ['proxies/1/a/proxy.mp4', 'proxies/1/b/proxy.mp4', 'proxies/10/proxy.mp4']) await store.publish(key, fileOf(key));
    const listed = await store.list('proxies/1/');
    expect(listed.map(({ key }) => key).sort()).toEqual(['proxies/1/a/proxy.mp4', 'proxies/1/b/proxy.mp4']);
    for (const { sizeBytes, usedAtMs } of listed) expect([sizeBytes, usedAtMs >= beforeMs]).toEqual([21, true]);
    await store.remove('proxies/1/a/proxy.mp4');
    expect(await store.list('proxies/1/')).toHaveLength(1);
    await store.removePrefix('proxies/1/');
    expect(await store.list('proxies/1/')).toEqual([]);
    expect(await store.list('proxies/')).toHaveLength(1);
  });

  it.each(['', '/', '../outside', 'a/../../outside', '/etc/passwd', 'a\0b'])('the key %j leads out of no store', async (key) => {
    await expect(async () => storeOf().stat(key)).rejects.toThrow('leads out of the store');
    await expect(async () => storeOf().removePrefix(key)).rejects.toThrow('leads out of the store');
  });

  it('an object that is not archived is ready, and restoring it is harmless', async () => {
    await storeOf().publish('clips/2/ready.mp4', fileOf('film'), { storageClass: 'standard' });
    await storeOf().restore('clips/2/ready.mp4', 1);
    expect(await storeOf().availability('clips/2/ready.mp4')).toEqual({ kind: 'ready' });
  });
});

describe('a bucket', () => {
  const big = randomBytes(27 * MEBIBYTE);

  it('takes a file of several parts, and gives the same bytes', async () => {
    await s3.publish('originals/1/source.mp4', fileOf(big));
    expect(server.proxy.requests.filter((line) => line.includes('partNumber='))).toHaveLength(4);
    expect(sha256(await read(s3, 'originals/1/source.mp4'))).toBe(sha256(big));
    const url = await s3.inputFor('originals/1/source.mp4');
    const answer = await fetch(url);
    expect([answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual(['video/mp4', 'max-age=86400, immutable']);
    expect(sha256(Buffer.from(await answer.arrayBuffer()))).toBe(sha256(big));
  });

  it('that is busy or breaks off in the middle is asked again', async () => {
    server.proxy.breakNext(/partNumber=2/, 'unavailable', 'cut-request', 'unavailable');
    server.proxy.breakNext(/partNumber=3/, 'cut-request');
    server.proxy.breakNext(/^POST .*\?uploads/, 'unavailable');
    server.proxy.breakNext(/^POST .*uploadId=/, 'cut-answer');
    await s3.publish('originals/2/source.mp4', fileOf(big));
    expect(sha256(await read(s3, 'originals/2/source.mp4'))).toBe(sha256(big));
    expect(await server.unfinishedUploads()).toBe(0);
  });

  it('that refuses a part for good gets no object, keeps no half upload, and the file stays', async () => {
    server.proxy.breakAll(/partNumber=3/, 'forbidden');
    const file = fileOf(big);
    await expect(s3.publish('originals/3/source.mp4', file)).rejects.toThrow();
    expect(existsSync(file)).toBe(true);
    expect(await s3.stat('originals/3/source.mp4')).toBeNull();
    expect(await server.unfinishedUploads()).toBe(0);
  });

  it.each([
    ['it notices at once', 'clips/4/small.mp4', Buffer.from('a small film'), /^PUT .*small\.mp4/, 'corrupt'],
    ['it notices at a part', 'originals/4/source.mp4', big, /partNumber=2/, 'corrupt'],
    ['only we notice', 'originals/4/source.mp4', big, /partNumber=2/, 'corrupt-unnoticed'],
  ] as const)('that gets other bytes than were sent keeps nothing: %s', async (_name, key, content, matching, fault) => {
    server.proxy.breakAll(matching, fault);
    const file = fileOf(content);
    await expect(s3.publish(key, file)).rejects.toThrow();
    expect(existsSync(file)).toBe(true);
    expect(await s3.stat(key)).toBeNull();
    expect(await server.unfinishedUploads()).toBe(0);
  });

  it('that breaks off while an object is read says so, instead of giving half of it', async () => {
    await s3.publish('originals/5/source.mp4', fileOf(big));
    server.proxy.breakNext(/^GET .*originals\/5/, 'cut-answer');
    await expect(read(s3, 'originals/5/source.mp4')).rejects.toThrow();
  });

  it('lists and removes more objects than one answer holds', async () => {
    const { endpoint, bucket } = server.settings;
    const names = Array.from({ length: 1005 }, (_, index) => `keyframes/7/${index}.jpg`);
    await Promise.all(names.map((key) => fetch(`${endpoint}/${bucket}/${key}`, { method: 'PUT', body: 'x' })));
    expect(await s3.list('keyframes/7/')).toHaveLength(1005);
    await s3.removePrefix('keyframes/7/');
    expect(await s3.list('keyframes/7/')).toEqual([]);
  });

  it('keeps a master cold: it is archived, on its way, and back until a day', async () => {
    await s3.publish('masters/1/master.mp4', fileOf('master'), { storageClass: 'cold' });
    expect(await s3.availability('masters/1/master.mp4')).toEqual({ kind: 'archived' });
    await expect(read(s3, 'masters/1/master.mp4')).rejects.toThrow();
    await server.restoreSlowly();
    await s3.restore('masters/1/master.mp4', 3);
    expect(await s3.availability('masters/1/master.mp4')).toEqual({ kind: 'restoring' });
    await s3.restore('masters/1/master.mp4', 3);
    await expect.poll(() => s3.availability('masters/1/master.mp4')).toMatchObject({ kind: 'restored' });
    const restored = await s3.availability('masters/1/master.mp4');
    expect(restored?.kind === 'restored' && restored.untilMs - Date.now()).toBeGreaterThan(2.9 * 24 * 3_600_000);
    expect((await read(s3, 'masters/1/master.mp4')).toString()).toBe('master');
  });

  it('takes a large file with little memory', async () => {
    const file = path.join(folder, 'large');
    const handle = openSync(file, 'w');
    ftruncateSync(handle, 300 * MEBIBYTE);
    closeSync(handle);
    const before = process.memoryUsage.rss();
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
    await s3.publish('originals/6/source.mp4', file).finally(() => clearInterval(watch));
    expect((most - before) / MEBIBYTE).toBeLessThan(160);
    let readBytes = 0;
    for await (const chunk of (await s3.openRead('originals/6/source.mp4')) as Readable & AsyncIterable<Buffer>) readBytes += chunk.length;
    expect(readBytes).toBe(300 * MEBIBYTE);
  });
});
