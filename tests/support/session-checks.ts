import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { spansBetweenCuts } from '#lib/core/cuts.ts';
import { sessionTopic, videoTopic } from '#lib/live/topics.ts';
import type { Database } from '#lib/server/db.ts';
import { sessionPage } from '#lib/server/features/browse-library.ts';
import { cutFramesInside } from '#lib/server/stores/cuts.ts';
import { eventsAfter } from '#lib/server/stores/outbox.ts';
import { shown, type SessionScreen } from './session-screen.ts';

/**
 * What must hold of a session once its people have stopped, whatever went wrong meanwhile: every screen shows what a fresh page would,
 * clips and cuts partition each video, events are numbered without gaps, and each decision that was acknowledged is there once.
 * Gives the number of these decisions.
 */
export async function expectSessionHolds(
  sql: Database,
  sessionId: number,
  screens: readonly SessionScreen[],
  deadlineMs = 20_000,
): Promise<number> {
  // What has expired leaves the page by itself, and the screens only with the next claim: here it does not expire.
  await sql`update clip_claims set expires_at = now() + interval '1 hour' where session_id = ${sessionId}`;
  const page = await settled(sql, sessionId, screens, deadlineMs);
  for (const screen of screens) {
    expect(shown(screen.session, [...screen.videos.values()]), screen.actor.name).toEqual(shown(page, page.videos));
  }
  for (const { video } of page.videos) await expectPartition(sql, video.id);
  for (const topic of [sessionTopic(sessionId), ...page.videos.map(({ video }) => videoTopic(video.id))]) {
    const events = await eventsAfter(sql, topic, 0, 100_000);
    expect(
      events.map((event) => event.seq),
      topic,
    ).toEqual(events.map((_, position) => position + 1));
  }
  return expectDecisionsOnce(sql, sessionId, screens);
}

/** The page when every screen has come as far: a command whose page was left may still be under way. */
async function settled(sql: Database, sessionId: number, screens: readonly SessionScreen[], deadlineMs: number) {
  for (const deadline = Date.now() + deadlineMs; ; await sleep(10)) {
    const page = (await sessionPage(sql, sessionId))!;
    const seqs = [page.seq, ...page.videos.map((video) => video.seq)].join();
    if (screens.every((screen) => screen.seqs().join() === seqs)) return page;
    if (Date.now() > deadline)
      throw new Error(`The screens are at ${screens.map((screen) => screen.seqs().join()).join('; ')} of ${seqs}.`);
  }
}

/** A video's live clips cover it from its first frame to its last, and meet at its cuts. */
export async function expectPartition(sql: Database, videoId: number): Promise<void> {
  const [video] = await sql<{ frameCount: number }[]>`select frame_count as "frameCount" from videos where id = ${videoId}`;
  const clips = await sql<{ startFrame: number; endFrame: number }[]>`
    select start_frame as "startFrame", end_frame as "endFrame" from clips
    where video_id = ${videoId} and superseded_at is null order by start_frame`;
  const edges = clips.slice(1).map((clip) => clip.startFrame);
  expect([...clips], `clips of video ${videoId}`).toEqual(spansBetweenCuts(edges, video!.frameCount));
  expect(await cutFramesInside(sql, videoId, { startFrame: 0, endFrame: video!.frameCount })).toEqual(edges);
}

async function expectDecisionsOnce(sql: Database, sessionId: number, screens: readonly SessionScreen[]): Promise<number> {
  const rows = await sql<{ id: string }[]>`select command_id as id from decisions where session_id = ${sessionId}`;
  const acknowledged = screens.flatMap((screen) => screen.acknowledged);
  const idsOf = (kinds: readonly string[]) => acknowledged.flatMap(({ kind, commandId }) => (kinds.includes(kind) ? [commandId] : []));
  // Nobody was told what became of these: they may be there or not, but not twice, as a command's id is unique.
  const untold = new Set(idsOf(['lost', 'unreachable']));
  const told = idsOf(['ok']);
  expect(rows.flatMap(({ id }) => (untold.has(id) ? [] : [id])).toSorted()).toEqual(told.toSorted());
  return told.length;
}
