import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Scope } from '#lib/live/api-scopes.ts';
import { serveApi } from '#lib/server/api/serve.ts';
import { auditEntries } from '#lib/server/stores/audit.ts';
import { makeToken, revokeToken } from '#lib/server/features/api-tokens.ts';
import { changeRole, disablePerson, enablePerson } from '#lib/server/features/manage-people.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { createSession } from '#lib/server/features/run-session.ts';
import { uploadActor } from '#lib/server/upload-actor.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';

let env: TestEnvironment;
let ann: Actor;
let bob: Actor;
let vera: Actor;
let root: Actor;

beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  bob = await env.addPerson('Bob', 'reviewer');
  vera = await env.addPerson('Vera', 'viewer');
  root = await env.addPerson('Root', 'admin');
});
afterAll(() => env.close());

async function tokenOf(actor: Actor, ...scopes: Scope[]): Promise<string> {
  const made = await makeToken(env.sql, actor, { name: `${actor.name}’s`, scopes, validDays: 7 });
  if (made.kind !== 'ok') throw new Error(made.message);
  return made.secret;
}

async function ask(method: string, path: string, token: string | null, body?: unknown, headers: Record<string, string> = {}) {
  const request = new Request(`http://localhost:3000/api/v1${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const response = await serveApi(env.sql, request, 'request-1');
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

describe('a token', () => {
  it('lets its person in, and nobody without one, with a made-up one or one that was revoked', async () => {
    const token = await tokenOf(ann, 'read');
    expect((await ask('GET', '/me', token)).body).toMatchObject({
      userId: ann.userId,
      name: 'Ann',
      role: 'reviewer',
      token: { scopes: ['read'] },
    });
    const stranger = await ask('GET', '/me', null);
    expect(stranger.status).toBe(401);
    expect(stranger.headers.get('www-authenticate')).toContain('Bearer');
    expect(stranger.headers.get('content-type')).toBe('application/problem+json');
    expect((await ask('GET', '/me', 'heaters_made-up')).status).toBe(401);
    const id = (await env.sql<{ id: number }[]>`select max(id) as id from api_tokens`)[0]!.id;
    expect((await revokeToken(env.sql, bob, id)).kind).toBe('refused');
    expect((await ask('GET', '/me', token)).status).toBe(200);
    expect((await revokeToken(env.sql, ann, id)).kind).toBe('ok');
    expect((await ask('GET', '/me', token)).status).toBe(401);
    expect((await auditEntries(env.sql, { target: `token:${id}`, limit: 5 })).map((entry) => entry.action)).toEqual([
      'token.revoke',
      'token.create',
    ]);
  });

  it('is stored by its hash alone', async () => {
    const token = await tokenOf(ann, 'read');
    const [row] = await env.sql`select t::text as row from api_tokens t order by id desc limit 1`;
    expect(String(row!['row'])).not.toContain(token.slice('heaters_'.length, 30));
  });

  it('ends when it has expired', async () => {
    const token = await tokenOf(ann, 'read');
    await env.sql`update api_tokens set expires_at = now() where user_id = ${ann.userId}`;
    expect((await ask('GET', '/me', token)).status).toBe(401);
  });

  it('does only what its scopes say', async () => {
    const token = await tokenOf(ann, 'read');
    const refused = await ask('POST', '/videos', token, { url: 'https://example.com/a.mp4' });
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({ status: 403, detail: expect.stringContaining('“import”') });
  });

  it('never does more than its person may now, and is dead while they are disabled', async () => {
    expect((await makeToken(env.sql, vera, { name: 'Too much', scopes: ['review'], validDays: 7 })).kind).toBe('refused');
    const eve = await env.addPerson('Eve', 'admin');
    const token = await tokenOf(eve, 'read', 'import', 'admin');
    expect((await ask('GET', '/people', token)).status).toBe(200);
    await changeRole(env.sql, root, eve.userId, 'viewer');
    expect((await ask('GET', '/people', token)).status).toBe(403);
    expect((await ask('POST', '/videos', token, { url: 'https://example.com/a.mp4' })).status).toBe(403);
    expect((await ask('GET', '/videos', token)).status).toBe(200);
    await disablePerson(env.sql, root, eve.userId);
    expect((await ask('GET', '/videos', token)).status).toBe(401);
    await enablePerson(env.sql, root, eve.userId);
    expect((await ask('GET', '/videos', token)).status).toBe(200);
  });

  it('has a rate: what is beyond it is refused and says how long to wait', async () => {
    const token = await tokenOf(ann, 'read');
    await env.sql`update api_tokens set rate_per_minute = 5 where id = (select max(id) from api_tokens)`;
    const answers = await Promise.all(Array.from({ length: 9 }, () => ask('GET', '/me', token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    const limited = answers.find(({ status }) => status === 429);
    expect(Number(limited?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(limited?.headers.get('x-ratelimit-limit')).toBe('5');
    // A minute later all of it is there again.
    await env.sql`update api_tokens set used_until = used_until - interval '1 minute' where rate_per_minute = 5`;
    expect((await ask('GET', '/me', token)).headers.get('x-ratelimit-remaining')).toBe('4');
  });

  it('uploads with the scope for it alone', async () => {
    const upload = (token: string) => uploadActor({ cookie: null, origin: null, authorization: `Bearer ${token}` });
    expect(await upload(await tokenOf(ann, 'import'))).toMatchObject({ kind: 'ok', actor: { name: 'Ann' } });
    expect(await upload(await tokenOf(ann, 'read'))).toMatchObject({ kind: 'refused', status: 403 });
    expect(await upload('heaters_made-up')).toMatchObject({ kind: 'refused', status: 401 });
  });
});

describe('decisions', () => {
  let videoId: number;
  let token: string;
  type Clip = { id: number; version: number; startFrame: number; state: string };
  const clips = async () => (await ask('GET', `/videos/${videoId}/clips`, token)).body.items as Clip[];

  beforeEach(async () => {
    videoId = await env.addVideo(ann, 100, [25, 50, 75]);
    token = await tokenOf(ann, 'read', 'review');
  });

  it('repeated with one key are made once, by another person’s same key again', async () => {
    const [clip] = (await clips()) as [Clip];
    const approve = { kind: 'approve', version: clip.version };
    const key = { 'idempotency-key': 'the first clip' };
    const first = await ask('POST', `/clips/${clip.id}/decisions`, token, approve, key);
    expect(first.body).toMatchObject({ kind: 'ok', clips: [{ id: clip.id, state: 'approved', version: clip.version + 1 }] });
    expect((await ask('POST', `/clips/${clip.id}/decisions`, token, approve, key)).body).toEqual(first.body);
    expect((await ask('GET', `/clips/${clip.id}/decisions`, token)).body.items).toHaveLength(1);
    const other = await ask('POST', `/clips/${clip.id}/decisions`, await tokenOf(bob, 'review'), approve, key);
    expect(other.status).toBe(409);
  });

  it('about a clip that has changed since are a conflict, with the clip as it is now', async () => {
    const [clip] = (await clips()) as [Clip];
    await ask('POST', `/clips/${clip.id}/decisions`, await tokenOf(bob, 'review'), { kind: 'skip', version: clip.version });
    const late = await ask('POST', `/clips/${clip.id}/decisions`, token, { kind: 'approve', version: clip.version });
    expect(late.status).toBe(409);
    expect(late.body).toMatchObject({ current: { id: clip.id, state: 'skipped', version: clip.version + 1, decidedBy: { name: 'Bob' } } });
    expect((await clips())[0]?.state).toBe('skipped');
  });

  it('split, merge and move cuts, and are undone by their maker alone', async () => {
    const [, second] = (await clips()) as [Clip, Clip];
    await ask('POST', `/clips/${second.id}/decisions`, token, { kind: 'split', version: second.version, atFrame: 30 });
    expect((await clips()).map((clip) => clip.startFrame)).toEqual([0, 25, 30, 50, 75]);
    const third = (await clips())[2]!;
    await ask('POST', `/clips/${third.id}/decisions`, token, { kind: 'move-cut', version: third.version, byFrames: 5 });
    expect((await clips()).map((clip) => clip.startFrame)).toEqual([0, 25, 35, 50, 75]);
    const scope = { scope: { kind: 'video', videoId } };
    expect((await ask('POST', '/undo', await tokenOf(bob, 'review'), scope)).status).toBe(422);
    await ask('POST', '/undo', token, scope);
    await ask('POST', '/undo', token, scope);
    expect((await clips()).map((clip) => clip.startFrame)).toEqual([0, 25, 50, 75]);
  });

  it('come page by page, each clip once', async () => {
    const seen: number[] = [];
    for (let cursor = ''; ;) {
      const { body } = await ask('GET', `/videos/${videoId}/clips?limit=3${cursor && `&cursor=${cursor}`}`, token);
      seen.push(...(body.items as Clip[]).map((clip) => clip.startFrame));
      if (body.nextCursor === null) break;
      cursor = body.nextCursor as string;
    }
    expect(seen).toEqual([0, 25, 50, 75]);
  });
});

describe('sessions', () => {
  it('are there for those who take part in them, and hosted by their host alone', async () => {
    const videoId = await env.addVideo(ann, 100, [50]);
    const wish = { title: 'Ours', mode: 'together', votesNeeded: 1, source: { kind: 'videos', videoIds: [videoId] } } as const;
    const made = await createSession(env.sql, ann, wish);
    if (made.kind !== 'ok') throw new Error(made.message);
    const path = `/sessions/${made.sessionId}`;
    const outsider = await tokenOf(bob, 'read', 'review');
    for (const [method, at, body] of [
      ['GET', path],
      ['GET', `${path}/clips`],
      ['GET', `${path}/summary`],
      ['GET', `${path}/cut-list?format=csv`],
      ['POST', `${path}/close`],
      ['PATCH', path, { votesNeeded: 2 }],
      ['PUT', `${path}/members/${bob.userId}`, { role: 'reviewer' }],
      ['POST', `${path}/invites`, { role: 'reviewer' }],
    ] as const) {
      expect([method, at, (await ask(method, at, outsider, body)).status]).toEqual([method, at, 404]);
    }
    expect((await ask('GET', '/sessions', outsider)).body.items).toEqual([]);
    const host = await tokenOf(ann, 'read', 'review');
    expect((await ask('PUT', `${path}/members/${bob.userId}`, host, { role: 'viewer' })).status).toBe(204);
    expect((await ask('GET', path, outsider)).body).toMatchObject({
      members: [
        { name: 'Ann', role: 'host' },
        { name: 'Bob', role: 'viewer' },
      ],
    });
    expect((await ask('POST', `${path}/close`, outsider)).status).toBe(422);
    expect((await ask('POST', `${path}/close`, host)).body.session.resumedAt).toBeNull();
  });
});

describe('a new session', () => {
  it('is made once for a key, also when it is asked for twice at the same moment', async () => {
    await env.addVideo(ann, 100, [50]);
    const token = await tokenOf(ann, 'read', 'review');
    const wish = { source: { kind: 'pending' }, title: 'Nightly' };
    const make = (key: string, by = token) => ask('POST', '/sessions', by, wish, { 'idempotency-key': key });
    const answers = await Promise.all([make('night 1'), make('night 1'), make('night 1')]);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    const ids = [...answers, await make('night 1')].map(({ body }) => (body.session as { id: number }).id);
    expect(new Set(ids).size).toBe(1);
    expect((await make('night 2')).body.session.id).not.toBe(ids[0]);
    expect((await make('night 1', await tokenOf(bob, 'read', 'review'))).body.session.id).not.toBe(ids[0]);
  });
});

describe('a request', () => {
  it('that makes no sense is told each place that is wrong', async () => {
    const token = await tokenOf(ann, 'read', 'review', 'import');
    const wrong = await ask('POST', '/clips/1/decisions', token, { kind: 'split', version: 0 });
    expect(wrong.status).toBe(400);
    expect((wrong.body.errors as { at: string }[]).map(({ at }) => at)).toEqual(['body.version', 'body.atFrame']);
    for (const [method, path, body] of [
      ['GET', '/videos?limit=0'],
      ['GET', '/videos?cursor=nonsense'],
      ['GET', '/videos?colour=red'],
      ['GET', '/videos?title=%00'],
      ['GET', '/videos/99999999999'],
      ['GET', '/videos/one'],
      ['POST', '/videos', '{"url": '],
      ['POST', '/videos', '{"url":"https://example.com/\\u0000"}'],
    ] as const) {
      expect([path, (await ask(method, path, token, body)).status]).toEqual([path, 400]);
    }
    expect((await ask('GET', '/clips?cursor=nonsense', token)).status).toBe(422);
  });

  it('to a path or with a method that is not there is told what is', async () => {
    const token = await tokenOf(ann, 'read');
    expect((await ask('GET', '/nothing', token)).status).toBe(404);
    expect((await ask('GET', '/videos/%E0%A4%A', token)).status).toBe(400);
    const wrong = await ask('PATCH', '/videos', token, {});
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('GET, POST');
  });

  it('for what has not changed since is answered by 304', async () => {
    const videoId = await env.addVideo(ann, 50, []);
    const token = await tokenOf(ann, 'read', 'import');
    const etag = (await ask('GET', `/videos/${videoId}`, token)).headers.get('etag')!;
    const again = await ask('GET', `/videos/${videoId}`, token, undefined, { 'if-none-match': etag });
    expect([again.status, again.body]).toEqual([304, null]);
  });

  it('of an admin manages people, but never leaves the library without one', async () => {
    const token = await tokenOf(root, 'admin');
    const kim = await env.addPerson('Kim', 'viewer');
    expect((await ask('PATCH', `/people/${kim.userId}`, token, { role: 'reviewer' })).body).toMatchObject({ role: 'reviewer' });
    expect((await ask('PATCH', `/people/${root.userId}`, token, { role: 'viewer' })).status).toBe(422);
    expect((await ask('POST', '/invites', token, { role: 'viewer' })).body.url).toMatch(/\/welcome\//);
    expect((await ask('GET', '/tokens', await tokenOf(bob, 'read'))).status).toBe(403);
  });
});
