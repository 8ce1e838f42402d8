import { mkdtempSync } from 'node:fs';
import { request as rawRequest } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { OPERATIONS } from '#lib/server/api/operations.ts';
import { API_ROOT } from '#lib/server/api/serve.ts';
import { createSession as logIn } from '#lib/server/auth/lucia.ts';
import { connect, type Database } from '#lib/server/db.ts';
import { createInvite } from '#lib/server/features/manage-people.ts';
import { createSession } from '#lib/server/features/run-session.ts';
import { insertUser } from '#lib/server/stores/users.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import type { Role } from '#lib/live/views.ts';
import { startApp, type RunningApp } from '../../support/app.ts';
import { HOSTILE_TEXTS, hostileValue } from '../../support/hostile.ts';
import { allRoutes, fill, type Route } from '../../support/routes.ts';

const SECRET = 'a-secret-that-no-log-may-show-'.repeat(2);
const EVIL = 'https://evil.example';
/** Actions that a viewer may do: they concern nobody but themselves, or ask for more rights on their own. */
const FOR_EVERYBODY = ['/account', '/login', '/logout', '/welcome/[token]', '/join/[token]', '/sessions/[sessionId]'];

let app: RunningApp;
let sql: Database;
let routes: Route[];
let logs = '';
let videoId = 0;
let clipId = 0;
let sessionId = 0;
let host: Actor;
const secrets = new Set<string>();

beforeAll(async () => {
  process.env.DATA_DIR ??= mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'data-'));
  app = await startApp(undefined, 1, { LOG_LEVEL: 'debug', SECRET_KEY_BASE: SECRET }, (text) => (logs += text));
  Object.assign(process.env, { DATABASE_URL: app.databaseUrl, SECRET_KEY_BASE: SECRET, ORIGIN: app.origin });
  sql = connect(app.databaseUrl, 5);
  routes = await allRoutes();
  host = await person('Host', 'reviewer');
  // The sample video goes through the whole pipeline meanwhile: its logs are looked through at the end.
  const ready = await vi.waitFor(
    async () => {
      const [row] = await sql<{ videoId: number; clipId: number }[]>`
        select video_id as "videoId", min(clips.id) as "clipId" from clips join videos on videos.id = video_id
        where videos.state = 'ready' and superseded_at is null group by video_id`;
      if (row === undefined) throw new Error(`The sample video is not ready: ${logs.slice(-2_000)}`);
      return row;
    },
    { timeout: 240_000, interval: 500 },
  );
  ({ videoId, clipId } = ready);
  const made = await createSession(sql, host, {
    title: 'Ours',
    mode: 'divide',
    votesNeeded: 1,
    source: { kind: 'videos', videoIds: [videoId] },
  });
  if (made.kind !== 'ok') throw new Error(made.message);
  ({ sessionId } = made);
}, 300_000);
afterAll(async () => {
  await sql.end({ timeout: 5 });
  await app.stop();
});

let personCount = 0;
async function person(name: string, role: Role): Promise<Actor> {
  const user = await insertUser(sql, { email: `${name.toLowerCase()}${++personCount}@example.com`, name, role, passwordHash: null });
  if (user === null) throw new Error(`${name} is there already.`);
  return { userId: user.id, name, role };
}
/** The cookie of a new log-in. */
async function cookieOf({ userId }: Actor): Promise<string> {
  const id = await logIn(sql, userId);
  secrets.add(id);
  return `heaters_session=${id}`;
}
const known = (name: string) => ({ videoId, clipId, sessionId, span: '0-10', name: '0.webp' })[name] ?? 'unknown';
const get = (address: string, cookie = '', headers: Record<string, string> = {}) =>
  fetch(app.origin + address, { redirect: 'manual', headers: { cookie, ...headers } });

async function post(
  route: Route,
  action: string,
  body: BodyInit,
  { cookie = '', origin = app.origin as string | null, value = known as (name: string) => string | number, headers = {} } = {},
) {
  const address = fill(route.address, (name) => encodeURIComponent(value(name)));
  return fetch(`${app.origin}${address}${action === 'default' ? '' : `?/${action}`}`, {
    method: 'POST',
    redirect: 'manual',
    body,
    headers: { cookie, accept: 'application/json', 'x-sveltekit-action': 'true', ...(origin === null ? {} : { origin }), ...headers },
  });
}
/** SvelteKit answers an action with 200 and says in it how it went. */
async function statusOf(response: Response): Promise<number> {
  const text = await response.text();
  const outcome = text.startsWith('{') ? (JSON.parse(text) as { type?: string; status?: number; error?: unknown }) : {};
  return outcome.type === 'success' ? 200 : (outcome.status ?? response.status);
}
const actions = () => routes.flatMap((route) => route.actions.map((action) => ({ route, action })));
const words = () => new URLSearchParams({ name: 'Ann', url: 'https://example.com/film.mp4', userId: '1', role: 'viewer', clipId: '1' });

describe('a stranger', () => {
  it('is shown the log-in on each page, and gets nothing from each endpoint and action behind it', async () => {
    const guarded = routes.filter(({ isGuarded }) => isGuarded);
    expect(guarded.length).toBeGreaterThan(25);
    for (const route of guarded) {
      const address = fill(route.address, (name) => String(known(name)));
      const page = await get(address, '', { accept: 'text/html' });
      expect([page.status, page.headers.get('location')?.startsWith('/login')], address).toEqual([303, true]);
      expect((await get(address, '', { accept: '*/*' })).status, address).toBe(401);
      for (const action of route.actions) {
        const answer = (await (await post(route, action, words())).json()) as { type: string; location?: string };
        expect(answer, `${address} ${action}`).toMatchObject({ type: 'redirect', location: expect.stringContaining('/login') });
      }
    }
  });

  it('gets no file without a signature, none of another’s signature, and none beside the store', async () => {
    const cookie = await cookieOf(host);
    for (const address of [
      '/media/proxies/1/x/proxy.mp4',
      '/media/',
      '/playback/x/y.mp4',
      '/media/..%2f..%2fsecret',
      '/media/x?Signature=x&Expires=9999999999&Key-Pair-Id=LOCAL',
    ]) {
      expect([308, 403, 404], address).toContain((await get(address, cookie)).status);
    }
    const signed = new URL((await get(`/videos/${videoId}/proxy`, cookie)).headers.get('location')!);
    for (const part of signed.search.match(/(?:Signature)=[^&]+/g)!) secrets.add(part);
    expect((await get(signed.pathname + signed.search, cookie)).status).toBe(200);
    expect((await get(signed.pathname + signed.search, '')).status).toBe(401);
    for (const target of [
      '/../../../../etc/passwd',
      '/media/../../../../etc/passwd',
      '/%2e%2e/%2e%2e/package.json',
      '/_app/..%2f..%2fserver/index.js',
      '/favicon.svg/../../package.json',
      '//etc/passwd',
      '/uploads/../../secret',
      '/..\\..\\package.json',
    ]) {
      const { status, body } = await raw(target, cookie);
      expect(status, target).toBeGreaterThanOrEqual(300);
      expect(body, target).not.toMatch(/root:|"dependencies"/);
    }
  });
});

/** A request whose path is sent as it is. */
function raw(
  target: string,
  cookie: string,
  method = 'GET',
  more: Record<string, string> = {},
): Promise<{ status: number; body: string; headers: NodeJS.Dict<string | string[]> }> {
  const { hostname, port } = new URL(app.origin);
  return new Promise((resolve, reject) => {
    rawRequest({ hostname, port, path: target, method, headers: { cookie, ...more } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode!, body, headers: response.headers }));
    })
      .on('error', reject)
      .end();
  });
}

describe('another site', () => {
  it('can’t have any action done: with its own origin, with none, with any kind of form', async () => {
    const cookie = await cookieOf(await person('Admin', 'admin'));
    expect(actions().length).toBeGreaterThan(20);
    const plain = { 'content-type': 'text/plain' };
    for (const { route, action } of actions()) {
      const where = `${route.address} ${action}`;
      for (const origin of [EVIL, 'null', null]) {
        expect((await post(route, action, words(), { cookie, origin })).status, `${where} from ${origin}`).toBe(403);
        expect((await post(route, action, new FormData(), { cookie, origin })).status, `${where} from ${origin}`).toBe(403);
        expect((await post(route, action, 'name=Ann', { cookie, origin, headers: plain })).status, `${where} from ${origin}`).toBe(403);
      }
      expect(
        await statusOf(
          await post(route, action, '{"name":"Ann"}', { cookie, origin: EVIL, headers: { 'content-type': 'application/json' } }),
        ),
      ).toBeGreaterThanOrEqual(400);
    }
  });

  it('can’t have any endpoint change something', async () => {
    const cookie = await cookieOf(await person('Admin', 'admin'));
    for (const route of routes) {
      for (const method of route.methods.filter((each) => !['GET', 'HEAD'].includes(each))) {
        const answer = await fetch(app.origin + fill(route.address, (name) => String(known(name))), {
          ...{ method, redirect: 'manual', body: '{}' },
          headers: { cookie, origin: EVIL, 'content-type': 'application/json' },
        });
        expect([401, 403, 404, 405], `${method} ${route.address}`).toContain(answer.status);
      }
    }
    // The API takes tokens, which no browser sends by itself, and no cookie at all.
    for (const { method, path: operation } of OPERATIONS) {
      const address = `${app.origin}${API_ROOT}${operation.replace(/\{\w+\}/g, '1')}`;
      const answer = await fetch(address, { method, headers: { cookie, origin: EVIL } });
      expect(answer.status, `${method} ${operation}`).toBe(401);
    }
    for (const method of ['POST', 'PATCH', 'DELETE']) {
      const answer = await raw('/uploads', cookie, method, { origin: EVIL, 'tus-resumable': '1.0.0', 'upload-length': '10' });
      expect([403, 404], method).toContain(answer.status);
    }
  });
});

describe('someone with too small a role', () => {
  it('gets no page of the admins and can’t do what is not theirs', async () => {
    const [viewer, reviewer] = [await person('Viewer', 'viewer'), await person('Reviewer', 'reviewer')];
    for (const route of routes.filter(({ address }) => address.startsWith('/admin'))) {
      for (const who of [viewer, reviewer]) {
        const cookie = await cookieOf(who);
        expect(
          (
            await get(
              fill(route.address, () => '1'),
              cookie,
              { accept: 'text/html' },
            )
          ).status,
          route.address,
        ).toBe(route.methods.length > 0 && !route.methods.includes('GET') ? 405 : 403);
        for (const action of route.actions)
          expect(await statusOf(await post(route, action, words(), { cookie })), `${route.address} ${action}`).toBe(403);
      }
    }
    const cookie = await cookieOf(viewer);
    for (const { route, action } of actions().filter(({ route: { address } }) => !FOR_EVERYBODY.includes(address))) {
      expect(await statusOf(await post(route, action, words(), { cookie })), `${route.address} ${action}`).toBe(403);
    }
  });

  it('sees and changes nothing of a session, an upload or an invite that is not theirs', async () => {
    const outsider = await cookieOf(await person('Outsider', 'reviewer'));
    for (const route of routes.filter(({ address }) => address.startsWith('/sessions/['))) {
      const address = fill(route.address, (name) => String(known(name)));
      expect([404, 409], address).toContain((await get(`${address}?format=csv`, outsider, { accept: 'text/html' })).status);
      for (const action of route.actions) {
        const body = new URLSearchParams({ role: 'reviewer', hours: '24', userId: String(host.userId), tokenHash: 'a'.repeat(64) });
        expect(await statusOf(await post(route, action, body, { cookie: outsider })), `${address} ${action}`).toBeGreaterThanOrEqual(400);
      }
    }
    const tus = { origin: app.origin, 'tus-resumable': '1.0.0' };
    const begun = await raw('/uploads', await cookieOf(host), 'POST', {
      ...tus,
      'upload-length': '10',
      'upload-metadata': `filename ${btoa('a.mp4')},ownerId ${btoa('1')}`,
    });
    const upload = new URL(String(begun.headers.location), app.origin).pathname;
    for (const method of ['HEAD', 'PATCH', 'DELETE']) {
      const headers = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream', 'content-length': '0' };
      expect((await raw(upload, outsider, method, headers)).status, method).toBe(404);
      for (const id of ['..%2f..%2fpackage', '%2e%2e', 'x%00', '..%5cx', 'a'.repeat(300)])
        expect([400, 404], id).toContain((await raw(`/uploads/${id}`, outsider, method, headers)).status);
    }
    expect((await raw(upload, await cookieOf(host), 'HEAD', tus)).status).toBe(200);
  });
});

it('a zip of an export whose file is gone breaks off, and the server goes on', async () => {
  await sql`update clips set state = 'approved', export_state = 'exported', export_key = 'clips/1/1/gone.mp4', export_bytes = 1 where id = ${clipId}`;
  const cookie = await cookieOf(host);
  const answer = await get(`/exports/zip?clips=${clipId}&sidecars=1`, cookie);
  expect(answer.status).toBe(200);
  await expect(answer.arrayBuffer()).rejects.toThrow();
  expect((await get('/healthz')).status).toBe(200);
});

describe('whatever is sent', () => {
  const text = fc.oneof(fc.constantFrom(...HOSTILE_TEXTS), fc.string({ unit: 'binary', maxLength: 40 }));
  const NAMES = [
    'q',
    'like',
    'tag',
    'from',
    'to',
    'after',
    'format',
    'clips',
    'clip',
    'frame',
    'next',
    'videoId',
    'state',
    'stars',
    'reviewerId',
    'minSeconds',
    'days',
    'page',
    'color',
  ];

  it('to a page or an endpoint is answered, never with 500', async () => {
    const cookies = await Promise.all((['admin', 'reviewer', 'viewer'] as const).map(async (role) => cookieOf(await person(role, role))));
    const odd = fc.record({
      values: fc.infiniteStream(text),
      query: fc.dictionary(fc.constantFrom(...NAMES), text),
      isKnown: fc.boolean(),
    });
    for (const route of routes) {
      for (const [index, { values, query, isKnown }] of fc.sample(odd, { numRuns: 8, seed: 11 }).entries()) {
        const value = (name: string) => (isKnown ? String(known(name)) : (values.next().value as string).toWellFormed());
        const address = fill(route.address, (name) => encodeURIComponent(value(name)) || '_');
        const search = Object.entries(query).map(([name, given]) => `${name}=${encodeURIComponent(given.toWellFormed())}`);
        const answer = await raw(`${address}?${search.join('&')}`, cookies[index % cookies.length]!, 'GET', {
          accept: index % 2 === 0 ? 'text/html' : '*/*',
        });
        expect(answer.status, `${address}?${search.join('&')} ${answer.body.slice(0, 200)}`).toBeLessThan(500);
      }
    }
    for (const query of ['from=2026-02-31', 'from=0000-01-01', 'tag=%00', 'after=1,99999999999', 'videoId=99999999999', 'q=%00']) {
      for (const address of ['/search', '/search/more'])
        expect((await get(`${address}?${query}`, cookies[0])).status, query).toBeLessThan(500);
    }
  });

  it('to an endpoint that changes something is answered, never with 500', async () => {
    const bodies = [...fc.sample(hostileValue, { numRuns: 8, seed: 13 }).map((value) => JSON.stringify(value)), '{', '\0', ''];
    for (const route of routes) {
      for (const method of route.methods.filter((each) => !['GET', 'HEAD'].includes(each))) {
        const cookie = await cookieOf(await person('Somebody', 'admin'));
        for (const body of bodies) {
          const answer = await fetch(app.origin + fill(route.address, (name) => String(known(name))), {
            ...{ method, redirect: 'manual', body },
            headers: { cookie, origin: app.origin, 'content-type': 'application/json' },
          });
          expect(answer.status, `${method} ${route.address} ${body}`).toBeLessThan(500);
        }
      }
    }
  });

  it('to an action is answered, never with 500', async () => {
    const values = fc.sample(fc.infiniteStream(text), { numRuns: 1, seed: 5 })[0]!;
    const take = () => (values.next().value as string).slice(0, 3_000);
    const fields = [
      'name',
      'email',
      'password',
      'oldPassword',
      'newPassword',
      'url',
      'userId',
      'role',
      'tokenHash',
      'clipId',
      'videoId',
      'clips',
      'source',
      'nameTemplate',
      'title',
      'mode',
      'votesNeeded',
      'id',
      'hours',
      'next',
      'graceDays',
    ];
    const right: Record<string, string> = { role: 'viewer', source: 'proxy', mode: 'together', hours: '24', votesNeeded: '1' };
    for (const { route, action } of actions()) {
      for (let round = 0; round < 6; round += 1) {
        // Whoever did this may be logged out or disabled by it: each time it is somebody new.
        const cookie = await cookieOf(await person('Somebody', 'admin'));
        const pairs = fields.map((name) => [name, round % 2 === 1 && right[name] !== undefined ? right[name] : take()]);
        const value = (name: string) => (round < 3 ? known(name) : take().toWellFormed() || '_');
        const form = new FormData();
        for (const [name, given] of pairs) form.append(name!, round === 4 ? new Blob([given!]) : given!);
        const body = [
          new URLSearchParams(pairs as [string, string][]),
          form,
          new URLSearchParams(),
          new URLSearchParams(pairs as [string, string][]),
          form,
          '\0\xff garbage',
        ][round]!;
        const headers = round === 5 ? { 'content-type': 'multipart/form-data; boundary=none' } : {};
        const answer = await post(route, action, body, { cookie, value, headers });
        expect(await statusOf(answer), `${route.address} ${action} ${JSON.stringify(pairs)}`).toBeLessThan(500);
      }
    }
    expect((await get('/readyz')).status).toBe(200);
  });

  it('to the upload endpoints is answered, never with 500', async () => {
    const cookie = await cookieOf(await person('Uploader', 'reviewer'));
    const tus = { origin: app.origin, 'tus-resumable': '1.0.0' };
    const odd: Record<string, string>[] = [
      { 'upload-length': '-1' },
      { 'upload-length': '1e99' },
      { 'upload-length': '9'.repeat(400) },
      { 'upload-length': '10', 'upload-metadata': 'filename' },
      { 'upload-length': '10', 'upload-metadata': `filename ${'!'.repeat(50)}` },
      { 'upload-length': '10', 'upload-metadata': `filename ${btoa('a\0b/../../c.mp4')}` },
      { 'upload-length': '0', 'upload-metadata': `filename ${btoa('\0')}` },
      { 'upload-defer-length': '2' },
      { 'upload-concat': 'final;/uploads/../x /uploads/y' },
      { 'x-http-method-override': 'DELETE' },
    ];
    for (const headers of odd)
      expect((await raw('/uploads', cookie, 'POST', { ...tus, ...headers })).status, JSON.stringify(headers)).not.toBe(500);
    for (const target of ['/uploads/', '/uploads/parts', '/uploads/parts/x/sign', '/uploads//', '/uploads/%', '/uploads/%ff']) {
      for (const method of ['GET', 'POST', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'PUT'])
        expect((await raw(target, cookie, method, tus)).status, `${method} ${target}`).not.toBe(500);
    }
  });
});

describe('every answer', () => {
  it('has the security headers, and pages a policy for scripts', async () => {
    const cookie = await cookieOf(host);
    const script = /_app\/immutable\/[\w./-]+\.js/.exec(await (await get('/login')).text())![0];
    for (const address of [
      '/',
      '/login',
      '/healthz',
      '/favicon.svg',
      `/${script}`,
      '/nowhere',
      '/uploads/x',
      `/videos/${videoId}/list?format=csv`,
      '/media/x',
    ]) {
      const { headers } = await get(address, cookie);
      expect(headers.get('x-content-type-options'), address).toBe('nosniff');
      expect(headers.get('x-frame-options'), address).toBe('DENY');
      expect(headers.get('referrer-policy'), address).toBe('same-origin');
      expect(headers.get('strict-transport-security'), address).toBeNull();
    }
    for (const address of ['/', '/login', '/nowhere']) {
      const policy =
        (await get(address, address === '/login' ? '' : cookie, { accept: 'text/html' })).headers.get('content-security-policy') ?? '';
      expect(policy, address).toMatch(/default-src 'self'.*frame-ancestors 'none'/);
      expect(/script-src ([^;]+)/.exec(policy)?.[1], address).not.toMatch(/unsafe|\*|https:/);
    }
  });

  it('to a log-in has a new session in a cookie that scripts can’t read, whatever came with the request', async () => {
    const token = (await createInvite(sql, host, 'reviewer')).replace('/welcome/', '');
    secrets.add(token);
    const fixed = await cookieOf(await person('Attacker', 'viewer'));
    const body = new URLSearchParams({ email: 'new@example.com', name: 'New', password: 'correct horse battery' });
    const welcome = routes.find(({ address }) => address === '/welcome/[token]')!;
    const answer = await post(welcome, 'join', body, { cookie: fixed, value: () => token });
    const [cookie = ''] = answer.headers.getSetCookie().filter((each) => each.startsWith('heaters_session='));
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Lax/);
    expect(cookie.split(';')[0]).not.toBe(fixed);
    secrets.add(/=(\w+)/.exec(cookie)![1]!);
    // Logged out, the session is no more, not only its cookie.
    const own = cookie.split(';')[0]!;
    expect((await get('/account', own)).status).toBe(200);
    await post(
      routes.find(({ address }) => address === '/logout')!,
      'default',
      new URLSearchParams(),
      { cookie: own },
    );
    expect((await get('/account', own)).status).toBe(401);
  });
});

it('the logs of all of this, and of a whole pipeline, hold no secret', async () => {
  expect(logs).toContain('stage done');
  for (const secret of [
    SECRET,
    'correct horse',
    'heaters_session=',
    'Key-Pair-Id',
    'Signature=',
    new URL(app.databaseUrl).password || SECRET,
    ...secrets,
  ]) {
    expect(logs.includes(secret), `“${secret.slice(0, 12)}…” is in the logs`).toBe(false);
  }
  // Nothing was left to the process’s own last resort.
  expect(logs).not.toMatch(/unhandled|uncaught/i);
});
