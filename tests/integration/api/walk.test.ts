import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SCOPE_NAMES } from '#lib/live/api-scopes.ts';
import { openApiDocument } from '#lib/server/api/openapi.ts';
import { OPERATIONS } from '#lib/server/api/operations.ts';
import { serveApi } from '#lib/server/api/serve.ts';
import { makeToken } from '#lib/server/features/api-tokens.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';

type Json = Record<string, unknown>;
interface Response_ {
  readonly $ref?: string;
  readonly content?: Record<string, { readonly schema?: Json }>;
}

let env: TestEnvironment;
let root: Actor;
let token: string;
const document = openApiDocument() as {
  paths: Record<string, Record<string, { operationId: string; responses: Record<string, Response_> }>>;
  components: Json;
};
// No field that the document does not tell of.
const strict = JSON.parse(JSON.stringify(document), (_key, value: Json) =>
  value?.['type'] === 'object' && value['properties'] !== undefined ? { ...value, additionalProperties: false } : value,
) as typeof document;
const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
ajv.addSchema({ $id: 'document', components: strict.components });
const validators = new Map<string, ValidateFunction>();

beforeAll(async () => {
  env = await openEnvironment();
  root = await env.addPerson('Root', 'admin');
  const made = await makeToken(env.sql, root, { name: 'Everything', scopes: SCOPE_NAMES, validDays: 7 });
  if (made.kind !== 'ok') throw new Error(made.message);
  token = made.secret;
});
afterAll(() => env.close());

/** Asks for an operation and checks that its answer is one that the document tells of, in status, type and shape. */
async function call(operationId: string, params: Json = {}, options: { readonly query?: string; readonly body?: unknown } = {}) {
  const { method, path: template } = OPERATIONS.find(({ id }) => id === operationId)!;
  const at = template.replace(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(String(params[name])));
  const request = new Request(`http://localhost:3000/api/v1${at}${options.query ?? ''}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(options.body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  });
  const response = await serveApi(env.sql, request, 'request-1');
  const documented = strict.paths[template]![method.toLowerCase()]!.responses[String(response.status)];
  expect(documented, `${operationId} answers ${response.status}: ${await response.clone().text()}`).toBeDefined();
  const answer =
    documented!.$ref === undefined
      ? documented!
      : (strict.components['responses'] as Record<string, Response_>)[documented!.$ref.split('/').at(-1)!]!;
  const bytes = await response.arrayBuffer();
  if (answer.content === undefined) return { status: response.status, body: null as never };
  const type = response.headers.get('content-type')!;
  expect(Object.keys(answer.content), operationId).toContain(type);
  const { schema } = answer.content[type]!;
  if (schema === undefined) return { status: response.status, body: null as never };
  const key = `${operationId} ${response.status}`;
  const rebased = JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"document#/components')) as Json;
  if (!validators.has(key)) validators.set(key, ajv.compile(rebased));
  const validate = validators.get(key)!;
  const body = JSON.parse(Buffer.from(bytes).toString());
  expect([operationId, validate(body) ? null : validate.errors]).toEqual([operationId, null]);
  return { status: response.status, body };
}

it('answers each operation of the document as the document says', async () => {
  const called = new Map<string, number>();
  const ok = async (operationId: string, params: Json = {}, options: Parameters<typeof call>[2] = {}) => {
    const { status, body } = await call(operationId, params, options);
    expect([operationId, status < 300 ? 'ok' : JSON.stringify(body)]).toEqual([operationId, 'ok']);
    called.set(operationId, status);
    return body;
  };
  const videoId = await env.addVideo(root, 200, [50, 100, 150]);
  const file = path.join(env.dataDir, 'some.mp4');
  for (const key of ['exports/some.mp4', 'p', 'm', 't']) {
    writeFileSync(file, 'film');
    await objectStore().publish(key, file);
  }
  await env.sql`update videos set proxy_key = 'proxies/some.mp4' where id = ${videoId}`;
  writeFileSync(file, 'film');
  await objectStore().publish('proxies/some.mp4', file);

  await ok('getMe');
  await ok('listVideos', {}, { query: '?limit=1&title=fi&state=ready' });
  const imported = await ok('importVideo', {}, { body: { url: 'https://example.com/a.mp4' } });
  await ok('importVideo', {}, { body: { url: 'https://example.com/a.mp4' } });
  await env.sql`update videos set state = 'failed', failed_stage = 'download', error = 'gone' where id = ${imported.id as number}`;
  await ok('retryVideo', { videoId: imported.id });
  await ok('getVideo', { videoId });
  await ok('removeVideo', { videoId: imported.id });
  await ok('listRemovedVideos');
  await ok('restoreVideo', { videoId: imported.id });
  const clips = (await ok('listVideoClips', { videoId })).items as { id: number; version: number }[];
  const [first, second, third] = clips as [(typeof clips)[0], (typeof clips)[0], (typeof clips)[0]];
  await ok('listClips', {}, { query: '?state=pending' });
  await ok('getClip', { clipId: first.id });
  await ok('decideClip', { clipId: first.id }, { body: { kind: 'approve', version: first.version } });
  expect((await call('decideClip', { clipId: first.id }, { body: { kind: 'skip', version: first.version } })).status).toBe(409);
  await ok('decideClip', { clipId: third.id }, { body: { kind: 'archive', version: third.version } });
  await ok('undoDecision', {}, { body: { scope: { kind: 'video', videoId } } });
  await ok('listClipDecisions', { clipId: first.id });
  await ok('tagClip', { clipId: first.id, tag: 'best of' });
  await ok('untagClip', { clipId: first.id, tag: 'best of' });
  await ok('rateClip', { clipId: first.id }, { body: { stars: 4 } });
  const comment = await ok('addComment', { videoId }, { body: { startFrame: 3, endFrame: 9, body: 'Look, @Root' } });
  await ok('addReaction', { commentId: comment.id, emoji: '👍' });
  await ok('listComments', { videoId });
  await ok('changeComment', { commentId: comment.id }, { body: { body: 'Looked', isResolved: true } });
  await ok('removeReaction', { commentId: comment.id, emoji: '👍' });
  await ok('deleteComment', { commentId: comment.id });

  const ann = await env.addPerson('Ann', 'reviewer');
  const { session } = await ok('createSession', {}, { body: { source: { kind: 'videos', videoIds: [videoId] }, votesNeeded: 2 } });
  const at = { sessionId: (session as { id: number }).id };
  await ok('addSessionMember', { ...at, userId: ann.userId }, { body: { role: 'reviewer' } });
  for (const id of ['listSessions', 'getSession', 'listSessionClips', 'getSessionSummary']) await ok(id, at);
  const vote = await ok('decideClip', { clipId: second.id }, { body: { kind: 'skip', version: second.version, ...at } });
  expect(vote).toMatchObject({ kind: 'voted' });
  await ok('changeSession', at, { body: { mode: 'divide', votesNeeded: 1 } });
  await ok('inviteToSession', at, { body: { role: 'viewer' } });
  await ok('getSessionCutList', at, { query: '?format=csv&clips=all' });
  await ok('getVideoCutList', { videoId }, { query: '?format=otio' });
  await ok('removeSessionMember', { ...at, userId: ann.userId });
  await ok('closeSession', at);
  await ok('resumeSession', at);
  await ok('getVideoFile', { videoId, file: 'proxy' });

  await env.sql`update clips set export_state = 'failed', export_error = 'broken' where id = ${first.id}`;
  await ok('retryExport', { clipId: first.id });
  await env.sql`update clips set export_state = 'exported', export_key = 'exports/some.mp4', export_bytes = 4 where id = ${first.id}`;
  await ok('listExports', {}, { query: '?state=exported' });
  await ok('getExportFile', { clipId: first.id });
  await ok('getExportSidecar', { clipId: first.id });
  await ok('getExportsZip', {}, { query: `?clips=${first.id}&sidecars=true` });
  await ok('startExports', {}, { body: { clipIds: [first.id], source: 'proxy' } });
  await ok('setExportSettings', {}, { body: await ok('getExportSettings') });

  await ok('listQueues');
  await ok('changeQueue', { queue: 'exports' }, { body: { concurrency: 3 } });
  for (const isPaused of [true, true, false]) {
    expect(await ok('changeQueue', { queue: 'exports' }, { body: { isPaused } })).toMatchObject({ isPaused, concurrency: 3 });
  }
  await ok('runSchedule', { key: 'sweep' });
  const jobs = (await ok('listJobs', {}, { query: `?queue=media_processing&videoId=${imported.id as number}` })).items as { id: string }[];
  const [job] = jobs as [(typeof jobs)[0]];
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: { items: { id: string }[]; nextCursor: string | null } = await ok(
      'listJobs',
      {},
      { query: `?limit=1${cursor && `&cursor=${cursor}`}` },
    );
    seen.push(...page.items.map((item) => item.id));
    cursor = page.nextCursor;
  }
  expect(seen).toContain(job.id);
  expect(new Set(seen).size).toBe(seen.length);
  const cancelled = await ok('actOnJobs', {}, { body: { action: 'cancel', jobIds: [job.id] } });
  expect(cancelled).toMatchObject({ doneCount: 1, skippedCount: 0 });
  expect(await ok('getJob', { jobId: job.id })).toMatchObject({ job: { state: 'cancelled' } });
  await ok('undoJobAction', { actionId: cancelled.actionId });
  expect(await ok('getJob', { jobId: job.id })).toMatchObject({ job: { state: 'created' }, waitsFor: expect.stringContaining('process') });

  await ok('changePerson', { userId: ann.userId }, { body: { role: 'viewer', isDisabled: true } });
  await ok('listPeople');
  await ok('createInvite', {}, { body: { role: 'viewer' } });
  const [invite] = (await ok('listInvites')).items as { id: string }[];
  await ok('revokeInvite', { inviteId: invite!.id });

  const { webhook } = await ok('createWebhook', {}, { body: { url: 'https://example.com/hook', events: ['export.done'] } });
  const hook = { webhookId: (webhook as { id: number }).id };
  await ok('changeWebhook', hook, { body: { events: ['clip.decided', 'session.closed'] } });
  await ok('pingWebhook', hook);
  for (const id of ['rotateWebhookSecret', 'listWebhooks', 'getWebhook']) await ok(id, hook);
  const [delivery] = (await ok('listDeliveries', hook)).items as { id: number }[];
  await ok('resendDelivery', { ...hook, deliveryId: delivery!.id });
  await ok('removeWebhook', hook);

  // What is not there is told as the document says, too.
  for (const { id, problems = [] } of OPERATIONS) {
    if (!problems.includes('not-found') || id === 'createWebhook') continue;
    const none = { videoId: 99_999, clipId: 99_999, sessionId: 99_999, userId: 99_999, webhookId: 99_999, tokenId: 99_999, file: 'proxy' };
    const missing = {
      ...none,
      deliveryId: 1,
      inviteId: 'f'.repeat(64),
      commentId: crypto.randomUUID(),
      jobId: crypto.randomUUID(),
      emoji: '👍',
    };
    expect((await call(id, missing, { query: '' })).status, id).toBeGreaterThanOrEqual(400);
  }
  const [own] = (await ok('listTokens')).items as { id: number }[];
  await ok('revokeToken', { tokenId: own!.id });
  expect([...called.keys()].sort()).toEqual(OPERATIONS.map(({ id }) => id).sort());
});
