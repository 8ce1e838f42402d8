import type { FrameRate } from '#lib/core/frame-rate.ts';
import type { LiveEvent } from '#lib/live/events.ts';
import { videoTopic } from '#lib/live/topics.ts';
import type { ClipView, StageView, VideoView } from '#lib/live/views.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import { approvedClips, clipsOfVideo } from '#lib/server/stores/clips.ts';
import { latestEvents, latestSeq } from '#lib/server/stores/outbox.ts';
import { videoViews } from '#lib/server/stores/videos.ts';

const LOG_LENGTH = 200;

/** Runs reads on one snapshot, so that `seq` names exactly the events that they include. */
function onSnapshot<T>(sql: Database, read: (tx: Transaction) => Promise<T>): Promise<T> {
  return sql.begin('isolation level repeatable read read only', read) as Promise<T>;
}

/** The library: all videos, newest first, as of event `seq` of topic `library`. */
export function libraryPage(sql: Database): Promise<{ videos: VideoView[]; seq: number }> {
  return onSnapshot(sql, async (tx) => ({ videos: await videoViews(tx), seq: await latestSeq(tx, 'library') }));
}

/** A video with its live clips in source order and what has happened to it, oldest first; null when there is none. */
export function videoPage(
  sql: Database,
  videoId: number,
): Promise<{ video: VideoView; clips: ClipView[]; stages: StageView[]; log: LiveEvent[]; seq: number } | null> {
  return onSnapshot(sql, async (tx) => {
    const [video] = await videoViews(tx, [videoId]);
    if (video === undefined) return null;
    const topic = videoTopic(videoId);
    return {
      video,
      clips: await clipsOfVideo(tx, videoId),
      stages: [...video.stages],
      log: (await latestEvents(tx, topic, LOG_LENGTH)).reverse(),
      seq: await latestSeq(tx, topic),
    };
  });
}

/** Approved clips with how their exports stand, as of event `seq` of topic `library`. */
export function exportsPage(
  sql: Database,
): Promise<{ items: { clip: ClipView; videoTitle: string; frameRate: FrameRate; downloadUrl: string | null }[]; seq: number }> {
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
