import { createPublicKey, createVerify, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { clipDownloadUrl, videoFileUrl } from '#lib/server/features/download-files.ts';
import { makePlaybackFile } from '#lib/server/features/playback.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { measureVideo } from '#lib/server/media/probe.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { findVideo } from '#lib/server/stores/videos.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { startS3Server, type S3Server } from '../support/s3-server.ts';
import { importFilm, startWorker, stopWorker } from '../support/worker.ts';

const CDN_DOMAIN = 'd111111abcdef8.cloudfront.net';
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

let env: TestEnvironment;
let s3: S3Server;
let ann: Actor;
let worker: ChildProcess;
beforeAll(async () => {
  s3 = await startS3Server();
  Object.assign(process.env, s3.environment, {
    PROD_CLOUDFRONT_DOMAIN: CDN_DOMAIN,
    PROD_CLOUDFRONT_KEY_PAIR_ID: 'K2JCJMDEHXQW5F',
    PROD_CLOUDFRONT_PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ENCODE_PART_SECONDS: '3',
  });
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  worker = startWorker();
});
afterAll(async () => {
  await stopWorker(worker);
  await env.close();
  await s3.close();
});

const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 90_000, interval: 100 });

/** What the CDN does with a URL, by its documentation on canned policies: 403, or the object behind it. */
async function fromCdn(href: string): Promise<{ status: number; body: Buffer }> {
  const url = new URL(href);
  const [expires, signature, keyPair] = ['Expires', 'Signature', 'Key-Pair-Id'].map((name) => url.searchParams.get(name) ?? '');
  const resource = href.replace(/[?&](Expires|Signature|Key-Pair-Id)=[^&]*/g, '');
  const policy = `{"Statement":[{"Resource":"${resource}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`;
  const bytes = Buffer.from(signature!.replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/'), 'base64');
  const isSigned = createVerify('RSA-SHA1')
    .update(policy)
    .verify(createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })), bytes);
  const isOurs = url.host === CDN_DOMAIN && url.protocol === 'https:' && keyPair === 'K2JCJMDEHXQW5F';
  if (!isSigned || !isOurs || Number(expires) * 1000 < Date.now()) return { status: 403, body: Buffer.alloc(0) };
  const key = decodeURIComponent(url.pathname.slice(1));
  if ((await objectStore().stat(key)) === null) return { status: 404, body: Buffer.alloc(0) };
  const chunks: Buffer[] = [];
  for await (const chunk of await objectStore().openRead(key)) chunks.push(chunk as Buffer);
  return { status: 200, body: Buffer.concat(chunks) };
}

describe('with its objects in a bucket behind a CDN, the app', () => {
  it('takes a video from upload to an exported clip, in one go', () => wholeWay('testsrc2=s=320x180:r=25:d=4', 100));

  it('takes a long video there in parts', () => wholeWay('testsrc2=s=320x180:r=30:d=9', 270));

  async function wholeWay(film: string, frameCount: number) {
    const id = await importFilm(env, ann, film);
    await until(async () => {
      const video = await findVideo(env.sql, id);
      expect(video?.state, JSON.stringify(video)).toBe('ready');
    });
    const video = (await findVideo(env.sql, id))!;
    expect(video.frameCount).toBe(frameCount);
    expect(await objectStore().availability(video.masterKey!)).toEqual({ kind: 'archived' });
    const [clip] = await clipsOfVideo(env.sql, id);
    expect(await makePlaybackFile(env.sql, clip!, new AbortController().signal)).toBe(true);
    await reviewClip(env.sql, ann, { commandId: crypto.randomUUID(), clipId: clip!.id, version: clip!.version, kind: 'approve' });
    await until(async () => expect((await clipsOfVideo(env.sql, id))[0]?.exportState).toBe('exported'));

    const url = (await clipDownloadUrl(env.sql, clip!.id))!;
    const download = await fromCdn(url);
    expect(download.status).toBe(200);
    const file = path.join(env.dataDir, 'download.mp4');
    writeFileSync(file, download.body);
    expect((await measureVideo(file)).frameCount).toBe(frameCount);

    // Altered, foreign or lapsed, a URL opens nothing.
    const poster = (await videoFileUrl(env.sql, id, 'poster'))!;
    expect((await fromCdn(poster)).status).toBe(200);
    for (const bad of [
      poster.replace('/thumbnails/', '/masters/'),
      poster.replace(CDN_DOMAIN, 'other.cloudfront.net'),
      poster.replace(/Expires=\d+/, `Expires=${Math.floor(Date.now() / 1000) + 9_999}`),
      poster.replace(/Signature=.../, 'Signature=AAA'),
    ]) {
      expect((await fromCdn(bad)).status, bad).toBe(403);
    }
    expect(await s3.unfinishedUploads()).toBe(0);
  }
});
