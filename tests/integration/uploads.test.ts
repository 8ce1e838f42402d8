import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Role } from '#lib/live/views.ts';
import { createSession, sessionCookie } from '#lib/server/auth/lucia.ts';
import { createUploadHandler } from '#lib/server/uploads.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

let env: TestEnvironment;
let server: Server;
let origin: string;
let cookies: Record<'Ann' | 'Bob' | 'Vic', string>;
let film: Buffer;
beforeAll(async () => {
  env = await openEnvironment();
  const handle = createUploadHandler();
  server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  cookies = { Ann: await logIn('Ann', 'reviewer'), Bob: await logIn('Bob', 'reviewer'), Vic: await logIn('Vic', 'viewer') };
  film = makeFilm('testsrc2=s=160x90:r=25:d=1');
});
afterAll(async () => {
  server.close();
  await env.close();
});

function makeFilm(source: string): Buffer {
  const file = path.join(env.dataDir, 'film.mp4');
  execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', ['-loglevel', 'error', '-y', '-f', 'lavfi', '-i', source, '-pix_fmt', 'yuv420p', file]);
  return readFileSync(file);
}

async function logIn(name: string, role: Role): Promise<string> {
  const { userId } = await env.addPerson(name, role);
  const cookie = sessionCookie(await createSession(env.sql, userId));
  return `${cookie.name}=${cookie.value}`;
}

const TUS = { 'tus-resumable': '1.0.0' };
const create = (cookie: string, sizeBytes: number, fileName = 'film.mp4', headers: Record<string, string> = {}) =>
  fetch(`${origin}/uploads/`, {
    method: 'POST',
    headers: {
      ...TUS,
      cookie,
      'upload-length': String(sizeBytes),
      'upload-metadata': `filename ${Buffer.from(fileName).toString('base64')}`,
      ...headers,
    },
  });
const send = (cookie: string, location: string, offset: number, bytes: Uint8Array<ArrayBuffer>) =>
  fetch(new URL(location, origin), {
    method: 'PATCH',
    headers: { ...TUS, cookie, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
    body: bytes,
  });
const upload = async (cookie: string, bytes: Uint8Array<ArrayBuffer>, fileName?: string) => {
  const created = await create(cookie, bytes.length, fileName);
  return send(cookie, created.headers.get('location')!, 0, bytes);
};
const bytesOf = (buffer: Buffer) => new Uint8Array(buffer);
const leftovers = () => readdirSync(path.join(env.dataDir, 'uploads'));

describe('an upload', () => {
  it('goes on after a broken connection and becomes a video with its name', async () => {
    const location = (await create(cookies.Ann, film.length, 'Der “Film” 🎬/..\\x.mp4')).headers.get('location')!;
    expect((await send(cookies.Ann, location, 0, bytesOf(film.subarray(0, 1000)))).status).toBe(204);
    const head = await fetch(new URL(location, origin), { method: 'HEAD', headers: { ...TUS, cookie: cookies.Ann } });
    expect(head.headers.get('upload-offset')).toBe('1000');
    expect((await send(cookies.Ann, location, 500, bytesOf(film.subarray(500)))).status).toBe(409);
    const done = await send(cookies.Ann, location, 1000, bytesOf(film.subarray(1000)));
    const videoId = Number(done.headers.get('heaters-video-id'));
    const [video] = await env.sql`select state, created_by is not null as "isOwned" from videos where id = ${videoId}`;
    expect(video).toEqual({ state: 'downloaded', isOwned: true });
    expect(await env.sql`select from pgboss.job where data ->> 'videoId' = ${String(videoId)}`).toHaveLength(1);
    expect(leftovers()).toEqual([]);
  });

  it('of content that is there already names the one that stays, also when two race', async () => {
    expect((await upload(cookies.Bob, bytesOf(film))).headers.get('heaters-duplicate-of')).not.toBeNull();
    const other = bytesOf(makeFilm('mandelbrot=s=160x90:r=25,trim=end_frame=10'));
    const answers = await Promise.all([upload(cookies.Ann, other), upload(cookies.Bob, other), upload(cookies.Ann, other)]);
    const made = answers.flatMap((answer) => answer.headers.get('heaters-video-id') ?? []);
    const known = answers.flatMap((answer) => answer.headers.get('heaters-duplicate-of') ?? []);
    expect([made.length, known.length, new Set([...made, ...known]).size]).toEqual([1, 2, 1]);
    expect(leftovers()).toEqual([]);
  });

  it.each([
    ['text', 'this is no video\n'.repeat(50)],
    ['a web page', '<!doctype html><title>x</title>'],
    ['nothing but zeros', '\0'.repeat(5000)],
  ])('of %s is refused with the reason, and nothing is left', async (_name, text) => {
    const refused = await upload(cookies.Ann, bytesOf(Buffer.from(text)), 'film.mp4');
    expect(refused.status).toBe(422);
    expect(await refused.text()).toMatch(/video/);
    expect(leftovers()).toEqual([]);
  });

  it('of half a film is refused', async () => {
    const refused = await upload(cookies.Ann, bytesOf(film.subarray(0, film.length / 2)));
    expect(refused.status).toBe(422);
  });

  it('is for reviewers, from our own pages, within the limit', async () => {
    expect((await create('', 10)).status).toBe(401);
    expect((await create('heaters_session=forged', 10)).status).toBe(401);
    expect((await create(cookies.Vic, 10)).status).toBe(403);
    expect((await create(cookies.Ann, 10, 'x.mp4', { origin: 'https://evil.example' })).status).toBe(403);
    expect((await create(cookies.Ann, 2 ** 50)).status).toBe(413);
  });

  it('belongs to who began it: another person finds nothing, whatever the client claims', async () => {
    const claim = `filename ${Buffer.from('a.mp4').toString('base64')},ownerId ${Buffer.from('2').toString('base64')}`;
    const location = (await create(cookies.Ann, 1000, 'a.mp4', { 'upload-metadata': claim })).headers.get('location')!;
    const chunk = bytesOf(Buffer.alloc(10));
    expect((await send(cookies.Bob, location, 0, chunk)).status).toBe(404);
    expect((await fetch(new URL(location, origin), { method: 'HEAD', headers: { ...TUS, cookie: cookies.Bob } })).status).toBe(404);
    expect((await fetch(new URL(location, origin), { method: 'DELETE', headers: { ...TUS, cookie: cookies.Bob } })).status).toBe(404);
    expect((await send(cookies.Ann, location, 0, chunk)).status).toBe(204);
  });

  it('that was whole when its process died is taken in by the next one', async () => {
    const late = makeFilm('mandelbrot=s=160x90:r=25,trim=end_frame=15');
    const location = (await create(cookies.Bob, late.length, 'late.mp4')).headers.get('location')!;
    // As the disk looks when the last byte is written and nothing else has happened.
    writeFileSync(path.join(env.dataDir, 'uploads', path.basename(location)), late);
    createUploadHandler();
    await expect.poll(() => env.sql`select title from videos where file_name = 'late.mp4'`).toHaveLength(1);
    await expect.poll(leftovers).not.toContain(path.basename(location));
  });

  it('does not reach other files by its id', async () => {
    writeFileSync(path.join(env.dataDir, 'secret'), 'secret');
    for (const id of ['..%2fsecret', '%2e%2e%2fsecret', '../secret']) {
      const answer = await fetch(`${origin}/uploads/${id}`, { method: 'HEAD', headers: { ...TUS, cookie: cookies.Ann } });
      expect(answer.status, id).toBe(404);
    }
    expect(readFileSync(path.join(env.dataDir, 'secret'), 'utf8')).toBe('secret');
  });
});
