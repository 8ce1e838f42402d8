import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'undici';
import * as v from 'valibot';
import { QUEUES, RUNNER_POOL } from '#lib/jobs/stages.ts';
import { createSession, invalidateSession, sessionCookie } from '#lib/server/auth/lucia.ts';
import type { Config } from '#lib/server/config.ts';
import { db } from '#lib/server/db.ts';
import { fail, pass, skip, type Check, type Outcome } from '#lib/server/doctor/check.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { probe } from '#lib/server/pool/tasks/probe.ts';
import { tempClipKey } from '#lib/server/storage/keys.ts';
import { signMediaUrl, signPlaybackUrl } from '#lib/server/storage/sign-url.ts';
import { anyAdmin, latestPlayableClip, queuesHealth, secondsSinceDispatch, workedQueues } from '#lib/server/stores/doctor.ts';
import { callsById, cancelCall, commitCall, submitCall } from '#lib/server/stores/pool-calls.ts';
import { playbackFilesElsewhere } from '#lib/server/stores/playback-files.ts';

/** The dispatcher runs each minute. */
const DISPATCH_LATE_SECONDS = 150;
const LONGEST_WAIT_SECONDS = 600;
const PLAYBACK_PATIENCE_MS = 60_000;
const SPAWN_PATIENCE_MS = 240_000;
/** Longer than the longest of these checks. */
export const AFTER_PATIENCE_MS = SPAWN_PATIENCE_MS + 30_000;

const NOBODY_RUNS = 'See that a machine of the process group runs (`fly status`) and that its JOB_QUEUES names the queue.';

/** What must hold once the app runs at `url`. With `isSpawning` a runner is booted, which costs a little. */
export function afterDeploy(config: Config, url: URL, isSpawning: boolean): Check[] {
  return [
    { name: 'health', cure: 'See why in the log of the web process (`fly logs`).', look: () => health(url) },
    { name: 'live connection', cure: 'Let WebSockets through, and set ORIGIN to the URL that people use.', look: () => live(config, url) },
    { name: 'dispatcher', cure: `Some process must work on the queue \`default\`. ${NOBODY_RUNS}`, look: dispatcher },
    { name: 'queues', cure: 'Open /admin/queues.', look: queues },
    { name: 'clip playback', cure: `Some web machine must work on \`temp_clips\`. ${NOBODY_RUNS}`, look: () => playback(url) },
    {
      name: 'a runner for an encode',
      cure: 'Open /admin/pool, which says why no machine is booted: token, cap, pause, or no worker on media_processing.',
      look: () => (isSpawning ? spawn(config) : Promise.resolve(skip('is booted only with --spawn'))),
    },
  ];
}

async function health(url: URL): Promise<Outcome> {
  for (const page of ['/healthz', '/readyz']) {
    const answer = await fetch(new URL(page, url), { signal: AbortSignal.timeout(8_000) });
    if (!answer.ok)
      return fail(`${page} answers ${answer.status}: ${(await answer.text()).trim()}`, 'Mend what it names; /admin/system shows more.');
  }
  return pass('/healthz and /readyz answer');
}

/** Goes in as a page does: over WebSocket, logged in, from the app's own origin. */
async function live(config: Config, url: URL): Promise<Outcome> {
  return asAdmin(async (cookie) => {
    const address = new URL('/socket.io/?EIO=4&transport=websocket', url);
    address.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(address, { headers: { cookie, origin: config.origin } });
    try {
      const welcome = await new Promise<string>((resolve, reject) => {
        socket.addEventListener('error', () => reject(new Error('the WebSocket was refused')));
        socket.addEventListener('close', () => reject(new Error('the WebSocket was closed')));
        socket.addEventListener('message', ({ data }) => {
          const text = String(data);
          // Source: Engine.IO protocol 4 (0 is its greeting) and Socket.IO protocol 5 (40 connects, 44 refuses).
          if (text.startsWith('0')) socket.send('40');
          else if (text.startsWith('4')) resolve(text);
        });
      });
      return welcome.startsWith('40')
        ? pass('a browser that is logged in gets its events')
        : fail(`the server refuses: ${welcome}`, 'Set ORIGIN and SECRET_KEY_BASE alike on all machines.');
    } finally {
      socket.close();
    }
  });
}

async function dispatcher(): Promise<Outcome> {
  const cure = `Some process must work on the queue \`default\`. ${NOBODY_RUNS}`;
  const seconds = await secondsSinceDispatch(db());
  if (seconds === null) return fail('has never run', cure);
  return seconds > DISPATCH_LATE_SECONDS
    ? fail(`has last run ${Math.round(seconds / 60)} minutes ago`, cure)
    : pass(`has run ${Math.round(seconds)} s ago`);
}

async function queues(): Promise<Outcome> {
  const worked = await workedQueues(db());
  const left = QUEUES.filter((queue) => !worked.includes(queue));
  if (left.length > 0) return fail(`nobody works on ${left.join(', ')}`, NOBODY_RUNS);
  const rows = await queuesHealth(db());
  const troubles = rows.flatMap(({ queue, failed, retrying, oldestWaitSeconds }) => [
    ...(failed > 0 ? [`${queue}: ${failed} jobs failed within the hour`] : []),
    ...(retrying > 0 ? [`${queue}: ${retrying} jobs fail again and again`] : []),
    ...(oldestWaitSeconds > LONGEST_WAIT_SECONDS ? [`${queue}: a job waits for ${Math.round(oldestWaitSeconds / 60)} minutes`] : []),
  ]);
  if (troubles.length > 0) return fail(troubles.join('; '), `Open /admin/queues for the reasons. ${NOBODY_RUNS}`);
  return pass(`all ${QUEUES.length} are worked on, none fails or is stuck`);
}

/** Orders the playback file of a clip, waits for it, and fetches it as a browser would. */
async function playback(url: URL): Promise<Outcome> {
  const clip = await latestPlayableClip(db());
  if (clip === null) return skip('there is no clip yet: upload a video, then look again');
  const revision = `${clip.startFrame}-${clip.endFrame}`;
  const cacheOf = async () =>
    (await playbackFilesElsewhere(db(), '', [clip.id])).find(
      (file) => file.startFrame === clip.startFrame && file.endFrame === clip.endFrame,
    )?.cacheId;
  let cacheId = await cacheOf();
  if (cacheId === undefined)
    await db().begin((tx) => enqueueStage(tx, 'temp-clip', { itemId: clip.id, videoId: clip.videoId }, { priority: 100, revision }));
  for (const deadline = Date.now() + PLAYBACK_PATIENCE_MS; cacheId === undefined && Date.now() < deadline; cacheId = await cacheOf())
    await sleep(500);
  if (cacheId === undefined)
    return fail(
      'no playback file was made',
      `Some web machine must work on \`temp_clips\`. ${NOBODY_RUNS} If one does, its job at /admin/queues says what ffmpeg said.`,
    );
  const signed = new URL(signPlaybackUrl(cacheId, tempClipKey(clip), { ttlMs: 60_000 }).url);
  return asAdmin(async (cookie) => {
    const answer = await fetch(new URL(signed.pathname + signed.search, url), { headers: { cookie, range: 'bytes=0-1023' } });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (answer.status === 206 && bytes.toString('latin1', 4, 8) === 'ftyp') return pass(`clip ${clip.id} plays`);
    return fail(
      `clip ${clip.id} answers with status ${answer.status}`,
      'SECRET_KEY_BASE and ORIGIN must be the same on all machines, and here.',
    );
  });
}

/** Has a runner booted as an encode would, and asks it what it can reach. */
async function spawn(config: Config): Promise<Outcome> {
  const sql = db();
  const cdnUrl = config.cloudFront === null ? null : signMediaUrl(`doctor/${randomUUID()}`, { ttlMs: 600_000 });
  const callId = await submitCall(sql, {
    ...{ pool: RUNNER_POOL, idemKey: `doctor-${randomUUID()}`, subject: null, task: probe.name, version: probe.version },
    ...{ input: { cdnUrl }, priority: 100, timeoutMs: 60_000, traceparent: null },
  });
  for (const deadline = Date.now() + SPAWN_PATIENCE_MS; Date.now() < deadline; await sleep(500)) {
    const [call] = await callsById(sql, [callId]);
    if (call?.state === 'failed')
      return fail(`the runner says: ${call.error ?? 'nothing'}`, 'Compare what it lacks with docs/runner-pool.md.');
    if (call?.state !== 'done') continue;
    await sql.begin((tx) => commitCall(tx, callId, call.fence!));
    const { region, encodeMs, storeError, cdnStatus } = v.parse(probe.output, call.output);
    if (storeError !== null)
      return fail(
        `the store can’t be used from a runner: ${storeError}`,
        'Runners get the bucket’s variables from the worker: set them there.',
      );
    // There is no such object: only a refused signature, or no answer at all, is a trouble.
    if (cdnStatus === 0 || cdnStatus === 401)
      return fail('the distribution can’t be reached from a runner', 'Choose a region from which it can be reached.');
    return pass(
      `${region === null ? 'one' : `one in ${region}`} encoded a second of film in ${encodeMs} ms and reached the store${cdnUrl === null ? '' : ' and the distribution'}`,
    );
  }
  await cancelCall(sql, callId);
  return fail(
    'no runner took the call',
    'Open /admin/pool, which says why no machine is booted: token, cap, pause, or no worker on media_processing.',
  );
}

/** Does something with the cookie of a short log-in, which is over afterwards. */
async function asAdmin(use: (cookie: string) => Promise<Outcome>): Promise<Outcome> {
  const userId = await anyAdmin(db());
  if (userId === null) return fail('there is no admin yet', 'Make the first one: `node src/entries/first-admin.ts`.');
  const sessionId = await createSession(db(), userId);
  try {
    const { name, value } = sessionCookie(sessionId);
    return await use(`${name}=${value}`);
  } finally {
    await invalidateSession(db(), sessionId);
  }
}
