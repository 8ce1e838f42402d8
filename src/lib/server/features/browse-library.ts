import type { Timebase } from '#lib/core/frame-rate.ts';
import type { LibrarySnapshot, VideoData } from '#lib/live/apply-event.ts';
import type { SessionData } from '#lib/live/apply-session.ts';
import { sessionTopic, videoTopic } from '#lib/live/topics.ts';
import type { ClipView, VideoView } from '#lib/live/views.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { requireInSession, type Actor } from '#lib/server/features/rights.ts';
import { claimsOf } from '#lib/server/stores/claims.ts';
import { approvedClips, clipsById, clipsInSession, clipsOfVideos } from '#lib/server/stores/clips.ts';
import { latestEvents, latestSeq, latestSeqs } from '#lib/server/stores/outbox.ts';
import { sessionMembers, sessionView } from '#lib/server/stores/review-sessions.ts';
import { commentViews, drawingViews } from '#lib/server/stores/talk.ts';
import { votesOf } from '#lib/server/stores/votes.ts';
import { videoIdsBefore, videoViews, type VideoFilters } from '#lib/server/stores/videos.ts';

const LOG_LENGTH = 200;

/** Runs reads on one snapshot, so that `seq` names exactly the events that they include. */
function onSnapshot<T>(sql: Database, read: (tx: Transaction) => Promise<T>): Promise<T> {
  return sql.begin('isolation level repeatable read read only', read) as Promise<T>;
}

/** The library: all videos, newest first, as of event `seq` of topic `library`. */
export function libraryPage(sql: Database): Promise<LibrarySnapshot> {
  return onSnapshot(sql, async (tx) => ({ videos: await videoViews(tx), seq: await latestSeq(tx, 'library') }));
}

/** Some videos that pass the filters, newest first, from below an id. */
export async function videosPage(
  sql: Sql,
  page: VideoFilters & { readonly beforeId: number | null; readonly limit: number },
): Promise<VideoView[]> {
  return videoViews(sql, await videoIdsBefore(sql, page));
}

/** A video as lists show it; null when there is none. */
export async function videoView(sql: Sql, videoId: number): Promise<VideoView | null> {
  return (await videoViews(sql, [videoId]))[0] ?? null;
}

/** A video's clips in source order; null when there is no such video. */
export async function videoClips(sql: Sql, videoId: number): Promise<ClipView[] | null> {
  return (await videoView(sql, videoId)) === null ? null : clipsOfVideos(sql, [videoId]);
}

/** A clip; null when there is none, or none any more. */
export async function clipView(sql: Sql, clipId: number): Promise<ClipView | null> {
  return (await clipsById(sql, [clipId]))[0] ?? null;
}

/** A session's clips in the order of its films, for those who take part in it; null for all others. */
export async function sessionClips(sql: Sql, actor: Actor, sessionId: number): Promise<ClipView[] | null> {
  const allowed = await requireInSession(sql, actor, sessionId, 'watch');
  return allowed.kind === 'refused' ? null : clipsInSession(sql, sessionId);
}

/** A video with all that its page shows; null when there is none. */
export function videoPage(sql: Database, videoId: number): Promise<VideoData | null> {
  return onSnapshot(sql, async (tx) => {
    const [page] = await readVideos(tx, [videoId]);
    if (page === undefined) return null;
    return { ...page, log: (await latestEvents(tx, videoTopic(videoId), LOG_LENGTH)).reverse() };
  });
}

/** A review session with all that its page shows; null when there is none. Logs are left out. */
export function sessionPage(sql: Database, sessionId: number): Promise<SessionData | null> {
  return onSnapshot(sql, async (tx) => {
    const session = await sessionView(tx, sessionId);
    if (session === null) return null;
    const videoIds = [...new Set(session.spans.map((span) => span.videoId))];
    return {
      session,
      members: await sessionMembers(tx, sessionId),
      claims: await claimsOf(tx, sessionId),
      votes: await votesOf(tx, sessionId),
      videos: await readVideos(tx, videoIds),
      seq: await latestSeq(tx, sessionTopic(sessionId)),
    };
  });
}

async function readVideos(tx: Transaction, videoIds: readonly number[]): Promise<VideoData[]> {
  const videos = await videoViews(tx, videoIds);
  const clips = Map.groupBy(await clipsOfVideos(tx, videoIds), (clip) => clip.videoId);
  const comments = Map.groupBy(await commentViews(tx, { videoIds }), (comment) => comment.videoId);
  const drawings = Map.groupBy(await drawingViews(tx, { videoIds }), (drawing) => drawing.videoId);
  const seqs = await latestSeqs(tx, videoIds.map(videoTopic));
  return videos
    .map((video) => ({
      video,
      clips: clips.get(video.id) ?? [],
      stages: [...video.stages],
      log: [],
      comments: comments.get(video.id) ?? [],
      drawings: drawings.get(video.id) ?? [],
      seq: seqs.get(videoTopic(video.id)) ?? 0,
    }))
    .sort((one, other) => one.video.id - other.video.id);
}

/** Approved clips with how their exports stand, as of event `seq` of topic `library`. */
export function exportsPage(
  sql: Database,
): Promise<{ items: { clip: ClipView; videoTitle: string; frameRate: Timebase; downloadUrl: string | null }[]; seq: number }> {
  return onSnapshot(sql, async (tx) => {
    const videos = new Map((await videoViews(tx)).map((video) => [video.id, video]));
    const items = (await approvedClips(tx)).flatMap((clip) => {
      const video = videos.get(clip.videoId);
      if (!video?.frameRate) return [];
      const downloadUrl = clip.exportState === 'exported' ? `/exports/clip/${clip.id}` : null;
      return [{ clip, videoTitle: video.title, frameRate: video.frameRate, downloadUrl }];
    });
    return { items, seq: await latestSeq(tx, 'library') };
  });
}
