import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSession as logIn } from '#lib/server/auth/lucia.ts';
import { isConnectionLost, type Database } from '#lib/server/db.ts';
import { importFile } from '#lib/server/features/import-video.ts';
import { addMember } from '#lib/server/features/join-session.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { createSession } from '#lib/server/features/run-session.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { insertUser } from '#lib/server/stores/users.ts';
import type { SeededRandom } from '../support/fly-sim/random.ts';
import { SessionScreen, STEP_KINDS } from '../support/session-screen.ts';
import type { System } from './system.ts';

const SHOTS = [
  'testsrc2=s=320x180:r=25:d=3',
  'smptehdbars=s=320x180:r=25:d=3',
  'rgbtestsrc=s=320x180:r=25:d=3',
  'mandelbrot=s=320x180:r=25:end_pts=75',
];

/** Repeats what the database was not there for. What is asked must be harmless to do twice. */
export async function untilDone<T>(ask: () => Promise<T>, isStopped: () => boolean = () => false): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (isStopped() || !(isConnectionLost(error) || isStoreTrouble(error))) throw error;
      await sleep(200);
    }
  }
}

/** An answer of the store, or a connection to it, that a person would try again after. */
function isStoreTrouble(error: unknown): boolean {
  return error instanceof Error && ('$metadata' in error || /object|store|socket|ENOSPC/i.test(`${error.message} ${String(error.cause)}`));
}

/** Four reviewers of one session, each at a screen of their own, who do whatever the seed says until they are stopped. */
export async function startReviewers(system: System, sql: Database, random: SeededRandom, videoIds: readonly number[]) {
  const actors: Actor[] = [];
  const cookies = new Map<Actor, string>();
  for (const name of ['Ann', 'Bob', 'Cleo', 'Dan']) {
    const user = await insertUser(sql, { email: `${name.toLowerCase()}@example.com`, name, role: 'reviewer', passwordHash: null });
    const actor: Actor = { userId: user!.id, name, role: 'reviewer' };
    actors.push(actor);
    cookies.set(actor, `heaters_session=${await logIn(sql, actor.userId)}`);
  }
  const [host] = actors;
  const made = await createSession(sql, host!, { title: 'Chaos', mode: 'divide', votesNeeded: 1, source: { kind: 'videos', videoIds } });
  if (made.kind !== 'ok') throw new Error(made.message);
  for (const { userId } of actors.slice(1)) await addMember(sql, host!, made.sessionId, userId, 'reviewer');
  const screens = actors.map((actor) => new SessionScreen(actor, { sql, sessionId: made.sessionId, actors }));
  await Promise.all(
    screens.map((screen, index) =>
      screen.open({
        url: `http://localhost:${system.links[index % system.links.length]!.port}`,
        cookie: cookies.get(screen.actor)!,
      }),
    ),
  );
  let isStopped = false;
  const running = screens.map(async (screen) => {
    while (!isStopped) {
      const kind = STEP_KINDS[random.integer(0, STEP_KINDS.length - 1)]!;
      await screen.act({ kind, index: random.integer(0, 30), amount: random.integer(0, 59) });
      await sleep(random.integer(20, 400));
    }
  });
  return {
    ...{ sessionId: made.sessionId, screens },
    /** Lets each finish what it has begun. */
    stop: async () => {
      isStopped = true;
      await Promise.all(running);
      // What has expired leaves the other screens with the next claim. From here on nobody claims: nothing may expire.
      await screens[0]!.act({ kind: 'set-mode', index: 0, amount: 1 });
      for (const screen of screens) await screen.act({ kind: 'claim', index: 0, amount: 0 });
      await sql`update clip_claims set expires_at = now() + interval '1 hour' where session_id = ${made.sessionId}`;
    },
  };
}

/** Someone who brings film after film and approves two clips of three as soon as they are cut, until stopped. */
export function startProducer(system: System, sql: Database, random: SeededRandom, actor: Actor, mostFilms: number) {
  const decided = new Set<string>();
  const broughtIds: number[] = [];
  let isStopped = false;
  const running = (async () => {
    for (let film = 0; film < mostFilms && !isStopped; film += 1) {
      broughtIds.push(await bringFilm(system, sql, random, actor));
      await sleep(random.integer(1_000, 6_000));
    }
  })();
  const seen = new Set<number>();
  const decideAll = async () => {
    for (const videoId of broughtIds) {
      for (const clip of await untilDone(() => clipsOfVideo(sql, videoId))) {
        if (seen.has(clip.id)) continue;
        seen.add(clip.id);
        const command = { commandId: randomUUID(), clipId: clip.id, version: clip.version };
        const kind = random.integer(0, 2) > 0 ? 'approve' : 'skip';
        const reply = await untilDone(() => reviewClip(sql, actor, { ...command, kind }));
        if (reply.kind === 'ok') decided.add(command.commandId);
      }
    }
  };
  const deciding = (async () => {
    for (; !isStopped; await sleep(300)) await decideAll();
  })();
  return {
    ...{ broughtIds, decided, decideAll },
    /** Brings and decides nothing more by itself. */
    stop: async () => {
      isStopped = true;
      await Promise.all([running, deciding]);
    },
  };
}

/** Makes a film of four shots that is like no other, and takes it into the library however often that takes. Gives its id. */
export async function bringFilm(system: System, sql: Database, random: SeededRandom, actor: Actor): Promise<number> {
  // Beside the disk that is filled: a film comes from the person's own computer.
  const film = path.join(path.dirname(system.dataDir), `film-${randomUUID()}.mp4`);
  const inputs = SHOTS.flatMap((shot) => ['-f', 'lavfi', '-i', shot]);
  const joined = `${SHOTS.map((_, index) => `[${index}:v]format=yuv420p,setsar=1,trim=end_frame=75,setpts=N/25/TB[v${index}]`).join(';')};${SHOTS.map((_, index) => `[v${index}]`).join('')}concat=n=${SHOTS.length}:v=1:a=0[v]`;
  await promisify(execFile)(process.env.FFMPEG_PATH ?? 'ffmpeg', [
    ...['-loglevel', 'error', ...inputs, '-f', 'lavfi', '-i', `sine=frequency=${random.integer(200, 4_000)}:duration=12`],
    ...['-filter_complex', joined, '-map', '[v]', '-map', `${SHOTS.length}:a`, '-preset', 'ultrafast', film],
  ]);
  const imported = await untilDone(() => importFile(sql, actor, { path: film, fileName: 'film.mp4', sourceUrl: null }));
  if (imported.kind === 'refused') throw new Error(imported.message);
  return imported.videoId;
}
