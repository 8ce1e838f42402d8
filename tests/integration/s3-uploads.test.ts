import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { downloadStage } from '#lib/jobs/stages/download.server.ts';
import { sweep } from '#lib/jobs/sweep.server.ts';
import type { UploadView } from '#lib/live/part-uploads.ts';
import type { Role } from '#lib/live/views.ts';
import { createSession, sessionCookie } from '#lib/server/auth/lucia.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { createUploadHandler } from '#lib/server/uploads.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { startS3Server, type S3Server } from '../support/s3-server.ts';

const PART_BYTES = 8 * 2 ** 20;
const DAY_MS = 24 * 3_600_000;
let env: TestEnvironment;
let s3: S3Server;
let server: Server;
let origin: string;
let cookies: Record<'Ann' | 'Bob' | 'Vic', string>;
let film: Buffer;
beforeAll(async () => {
  env = await openEnvironment();
  s3 = await startS3Server();
  Object.assign(process.env, s3.environment);
  const handle = createUploadHandler();
  server = createServer((request, response) => {
    // As the web entry does.
    handle(request, response).catch(() => response.writeHead(500).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  cookies = { Ann: await logIn('Ann', 'reviewer'), Bob: await logIn('Bob', 'reviewer'), Vic: await logIn('Vic', 'viewer') };
  film = makeFilm('testsrc2=s=160x90:r=25:d=1');
});
afterEach(() => s3.proxy.heal());
afterAll(async () => {
  server.close();
  await env.close();
  await s3.close();
});

/** A film of a little more than three parts: behind the film lies a box that players skip (ISO/IEC 14496-12, 8.1.2). */
function makeFilm(source: string): Buffer {
  const file = path.join(env.dataDir, 'film.mp4');
  execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', ['-loglevel', 'error', '-y', '-f', 'lavfi', '-i', source, '-pix_fmt', 'yuv420p', file]);
  const padding = randomBytes(3 * PART_BYTES);
  padding.writeUInt32BE(padding.length, 0);
  padding.write('free', 4, 'latin1');
  return Buffer.concat([readFileSync(file), padding]);
}

async function logIn(name: string, role: Role): Promise<string> {
  const { userId } = await env.addPerson(name, role);
  const cookie = sessionCookie(await createSession(env.sql, userId));
  return `${cookie.name}=${cookie.value}`;
}

const ask = (cookie: string, method: string, target = '', body?: unknown, headers: Record<string, string> = {}) =>
  fetch(`${origin}/uploads/parts${target}`, {
    method,
    headers: { cookie, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const begin = async (cookie: string, bytes: Buffer, fileName = 'film.mp4', sizeBytes = bytes.length) => {
  const answer = await ask(cookie, 'POST', '', { fileName, sizeBytes, modifiedAtMs: 1 });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.json()) as UploadView;
};
const partOf = (bytes: Buffer, partNumber: number) => bytes.subarray((partNumber - 1) * PART_BYTES, partNumber * PART_BYTES);
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64');
const sign = async (cookie: string, id: string, partNumber: number, sha256: string) =>
  (await (await ask(cookie, 'POST', `/${id}/sign`, { partNumber, sha256 })).json()) as { url: string; headers: Record<string, string> };
async function send(cookie: string, id: string, partNumber: number, part: Buffer, announced = part): Promise<Response> {
  const { url, headers } = await sign(cookie, id, partNumber, digest(announced));
  return fetch(url, { method: 'PUT', headers, body: new Uint8Array(part) });
}
async function sendAll(cookie: string, id: string, bytes: Buffer): Promise<void> {
  const numbers = Array.from({ length: Math.ceil(bytes.length / PART_BYTES) }, (_, index) => index + 1);
  await Promise.all(
    numbers.map(async (partNumber) => expect((await send(cookie, id, partNumber, partOf(bytes, partNumber))).status).toBe(200)),
  );
}
const finish = (cookie: string, id: string) => ask(cookie, 'POST', `/${id}/finish`);
const viewOf = async (cookie: string, id: string) => (await (await ask(cookie, 'GET', `/${id}`)).json()) as UploadView;
/** As the worker does after an upload. */
const identify = async (videoId: number) => {
  const none = () => Promise.reject(new Error('Not in this stage.'));
  await downloadStage.run({
    sql: env.sql,
    itemId: videoId,
    videoId,
    signal: AbortSignal.timeout(60_000),
    report: () => undefined,
    call: none,
    begin: none,
  });
};
const keys = async () => (await objectStore().list('originals/')).map(({ key }) => key);

describe('an upload straight to the bucket', () => {
  it('goes on after a broken connection with the parts that are missing, and becomes a video whose original it is', async () => {
    const begun = await begin(cookies.Ann, film, 'Der “Film” 🎬/..\\x.mp4');
    expect(begun).toMatchObject({ partBytes: PART_BYTES, state: 'sending', arrived: {}, videoId: null });
    for (const partNumber of [1, 3]) await send(cookies.Ann, begun.id, partNumber, partOf(film, partNumber));
    s3.proxy.breakNext(/partNumber=2/, 'cut-request');
    await expect(send(cookies.Ann, begun.id, 2, partOf(film, 2))).rejects.toThrow();
    const missing = await finish(cookies.Ann, begun.id);
    expect([missing.status, await missing.text()]).toEqual([409, expect.stringContaining('2 parts')]);

    // As after a reload: the list shows it, and the same file goes on with it.
    expect(((await (await ask(cookies.Ann, 'GET')).json()) as UploadView[]).map(({ id }) => id)).toEqual([begun.id]);
    const resumed = await begin(cookies.Ann, film, 'Der “Film” 🎬/..\\x.mp4');
    expect(resumed).toMatchObject({ id: begun.id, arrived: { 1: digest(partOf(film, 1)), 3: digest(partOf(film, 3)) } });
    for (const partNumber of [2, 4]) await send(cookies.Ann, begun.id, partNumber, partOf(film, partNumber));

    const taken = (await (await finish(cookies.Ann, begun.id)).json()) as UploadView;
    expect(taken).toMatchObject({ state: 'taken', videoId: expect.any(Number) });
    // The answer may have been lost.
    expect(await (await finish(cookies.Ann, begun.id)).json()).toEqual(taken);
    const [video] =
      await env.sql`select state, source_key as key, created_by is not null as "isOwned" from videos where id = ${taken.videoId!}`;
    expect(video).toEqual({ state: 'downloading', isOwned: true, key: `originals/${taken.videoId}/source.mp4` });
    const stored = Buffer.from(await (await fetch(await objectStore().inputFor(`originals/${taken.videoId}/source.mp4`))).arrayBuffer());
    expect(stored.equals(film)).toBe(true);
    expect(await env.sql`select from pgboss.job where data ->> 'videoId' = ${String(taken.videoId)}`).toHaveLength(1);

    await identify(taken.videoId!);
    const [found] = await env.sql`select state, source_sha256 as sha256 from videos where id = ${taken.videoId!}`;
    expect(found).toEqual({ state: 'downloaded', sha256: createHash('sha256').update(film).digest('hex') });
    expect(await viewOf(cookies.Ann, begun.id)).toMatchObject({ state: 'done', videoId: taken.videoId });
    expect(await s3.unfinishedUploads()).toBe(0);
    expect(await (await ask(cookies.Ann, 'GET')).json()).toEqual([]);
  });

  it('of content that is there already gives way to it, and its owner is told', async () => {
    const before = await keys();
    const { id } = await begin(cookies.Bob, film, 'again.mp4');
    await sendAll(cookies.Bob, id, film);
    const taken = (await (await finish(cookies.Bob, id)).json()) as UploadView;
    await identify(taken.videoId!);
    const [first] = await env.sql<{ id: number }[]>`select id from videos`;
    expect(await viewOf(cookies.Bob, id)).toMatchObject({ state: 'duplicate', videoId: first!.id });
    expect(await env.sql`select from videos`).toHaveLength(1);
    expect(await keys()).toEqual(before);
  });

  it.each([
    ['text', Buffer.from('this is no video\n'.repeat(50))],
    ['nothing but zeros', Buffer.alloc(5000)],
    [
      'a playlist that names other addresses',
      Buffer.from('#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:1/x.ts\n#EXT-X-ENDLIST\n'),
    ],
  ])('of %s is refused with the reason, and nothing is left', async (_name, bytes) => {
    const before = await keys();
    const { id } = await begin(cookies.Ann, bytes, 'film.mp4');
    await sendAll(cookies.Ann, id, bytes);
    const refused = (await (await finish(cookies.Ann, id)).json()) as UploadView;
    expect(refused).toMatchObject({ state: 'refused', message: expect.stringContaining('video'), videoId: null });
    expect(JSON.stringify(refused)).not.toContain('X-Amz');
    expect(await keys()).toEqual(before);
    expect(await s3.unfinishedUploads()).toBe(0);
  });

  it('that is not as large as it said is refused, and nothing is left', async () => {
    const before = await keys();
    const small = Buffer.alloc(100, 1);
    const { id } = await begin(cookies.Ann, small, 'lie.mp4');
    await send(cookies.Ann, id, 1, Buffer.alloc(5000, 1));
    expect(await (await finish(cookies.Ann, id)).json()).toMatchObject({ state: 'refused', message: expect.stringContaining('changed') });
    expect([await keys(), await s3.unfinishedUploads()]).toEqual([before, 0]);
    expect((await ask(cookies.Ann, 'POST', '', { fileName: 'x.mp4', sizeBytes: 2 ** 50, modifiedAtMs: 1 })).status).toBe(422);
    expect((await ask(cookies.Ann, 'POST', '', { fileName: 'x.mp4', sizeBytes: 0, modifiedAtMs: 1 })).status).toBe(422);
  });

  it('that got other bytes than were announced is refused, and nothing is left', async () => {
    const before = await keys();
    const { id } = await begin(cookies.Ann, film, 'damaged.mp4');
    for (const partNumber of [1, 3, 4]) await send(cookies.Ann, id, partNumber, partOf(film, partNumber));
    s3.proxy.breakNext(/partNumber=2/, 'corrupt-unnoticed');
    await send(cookies.Ann, id, 2, partOf(film, 2));
    expect(await (await finish(cookies.Ann, id)).json()).toMatchObject({ state: 'refused', message: expect.stringContaining('damaged') });
    expect([await keys(), await s3.unfinishedUploads()]).toEqual([before, 0]);
  });

  it('gives URLs for exactly one part each, of this upload', async () => {
    const { id } = await begin(cookies.Ann, film, 'parts.mp4');
    const { url, headers } = await sign(cookies.Ann, id, 4, digest(partOf(film, 4)));
    expect(new URL(url).searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;host;x-amz-checksum-sha256');
    expect(headers).toEqual({ 'x-amz-checksum-sha256': digest(partOf(film, 4)) });
    expect((await ask(cookies.Ann, 'POST', `/${id}/sign`, { partNumber: 5, sha256: digest(film) })).status).toBe(404);
    for (const part of [{ partNumber: 0, sha256: digest(film) }, { partNumber: 1, sha256: 'x' }, null, 'x'.repeat(20_000)]) {
      expect((await ask(cookies.Ann, 'POST', `/${id}/sign`, part)).status).toBe(400);
    }
    expect((await ask(cookies.Ann, 'DELETE', `/${id}`)).status).toBe(204);
    expect(await s3.unfinishedUploads()).toBe(0);
  });

  it('is for reviewers, from our own pages', async () => {
    const file = { fileName: 'x.mp4', sizeBytes: 10, modifiedAtMs: 1 };
    expect((await ask('', 'POST', '', file)).status).toBe(401);
    expect((await ask('heaters_session=forged', 'POST', '', file)).status).toBe(401);
    expect((await ask(cookies.Vic, 'POST', '', file)).status).toBe(403);
    expect((await ask(cookies.Ann, 'POST', '', file, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await ask(cookies.Ann, 'POST', '', { ...file, sizeBytes: -1 })).status).toBe(400);
  });

  it('belongs to who began it: another person finds nothing', async () => {
    const { id } = await begin(cookies.Ann, film, 'mine.mp4');
    const answers = await Promise.all([
      ask(cookies.Bob, 'GET', `/${id}`),
      ask(cookies.Bob, 'POST', `/${id}/sign`, { partNumber: 1, sha256: digest(film) }),
      ask(cookies.Bob, 'POST', `/${id}/finish`),
      ask(cookies.Bob, 'DELETE', `/${id}`),
      ask(cookies.Ann, 'GET', '/00000000-0000-0000-0000-000000000000'),
      ask(cookies.Ann, 'GET', '/..%2f..'),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 404]);
    expect((await begin(cookies.Bob, film, 'mine.mp4')).id).not.toBe(id);
    expect((await viewOf(cookies.Ann, id)).state).toBe('sending');
  });

  it('that was whole when its process died is finished by the next request', async () => {
    const late = makeFilm('mandelbrot=s=160x90:r=25,trim=end_frame=15');
    const { id } = await begin(cookies.Ann, late, 'late.mp4');
    await sendAll(cookies.Ann, id, late);
    // As it looks when the bucket has joined the parts and nothing else has happened.
    s3.proxy.breakAll(/^HEAD /, 'forbidden');
    expect((await finish(cookies.Ann, id)).status).toBe(500);
    s3.proxy.heal();
    expect(Object.keys((await begin(cookies.Ann, late, 'late.mp4')).arrived)).toHaveLength(4);
    const answers = await Promise.all([finish(cookies.Ann, id), finish(cookies.Ann, id)]);
    const views = await Promise.all(answers.map((answer) => answer.json() as Promise<UploadView>));
    expect(views.map(({ state }) => state)).toEqual(['taken', 'taken']);
    expect(await env.sql`select from videos where file_name = 'late.mp4'`).toHaveLength(1);
  });

  it('that the bucket has forgotten begins anew', async () => {
    const { id } = await begin(cookies.Bob, film, 'forgotten.mp4');
    const [row] = await env.sql<{ key: string; storeUploadId: string }[]>`
      select key, store_upload_id as "storeUploadId" from uploads where id = ${id}`;
    const { endpoint, bucket } = s3.settings;
    await fetch(`${endpoint}/${bucket}/${row!.key}?uploadId=${row!.storeUploadId}`, { method: 'DELETE' });
    expect((await begin(cookies.Bob, film, 'forgotten.mp4')).id).not.toBe(id);
  });

  it('that nobody finishes is kept for seven days, and then ended', async () => {
    const { id } = await begin(cookies.Ann, film, 'left.mp4');
    await send(cookies.Ann, id, 1, partOf(film, 1));
    // What a killed process leaves: nobody knows of it.
    const { endpoint, bucket } = s3.settings;
    await fetch(`${endpoint}/${bucket}/proxies/1/x/proxy.mp4?uploads`, { method: 'POST' });
    const count = await s3.unfinishedUploads();
    await sweep(env.sql, Date.now() + 6.9 * DAY_MS);
    expect(await s3.unfinishedUploads()).toBe(count - 1);
    expect((await viewOf(cookies.Ann, id)).arrived).toHaveProperty('1');
    await sweep(env.sql, Date.now() + 7.1 * DAY_MS);
    expect((await ask(cookies.Ann, 'GET', `/${id}`)).status).toBe(404);
    expect(await s3.unfinishedUploads()).toBe(0);
    expect(await env.sql`select from videos where file_name = 'late.mp4'`).toHaveLength(1);
  });
});
