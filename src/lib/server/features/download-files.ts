import { toTimecode } from '#lib/core/frame-rate.ts';
import type { Sql } from '#lib/server/db.ts';
import { signMediaUrl } from '#lib/server/storage/sign-url.ts';
import { exportRows, type ExportRow } from '#lib/server/stores/clips.ts';
import { findVideo, timebaseOf, type VideoRow } from '#lib/server/stores/videos.ts';

const URL_LIFETIME_MS = 60 * 60_000;

/** A short-lived signed URL of a video's poster or proxy; null while there is none. */
export async function videoFileUrl(sql: Sql, videoId: number, file: 'poster' | 'proxy'): Promise<string | null> {
  const video = await findVideo(sql, videoId);
  const key = file === 'poster' ? video?.thumbnailKey : video?.proxyKey;
  return key ? signMediaUrl(key, { ttlMs: URL_LIFETIME_MS }) : null;
}

/** A short-lived signed URL that downloads an exported clip; null when it is not exported. */
export async function clipDownloadUrl(sql: Sql, clipId: number): Promise<string | null> {
  const [file] = await exportedFiles(sql, [clipId]);
  return file === undefined ? null : signMediaUrl(file.key, { ttlMs: URL_LIFETIME_MS, downloadName: file.name });
}

/** The exported files among some clips, with the names under which people get them, each name once. */
export async function exportedFiles(sql: Sql, clipIds: readonly number[]): Promise<{ key: string; name: string }[]> {
  const clips = (await exportRows(sql, clipIds)).filter((clip) => clip.isLive && clip.exportState === 'exported');
  const videos = new Map<number, VideoRow | null>();
  for (const { videoId } of clips) if (!videos.has(videoId)) videos.set(videoId, await findVideo(sql, videoId));
  return clips.flatMap((clip) => {
    const video = videos.get(clip.videoId);
    return video && clip.exportKey !== null ? [{ key: clip.exportKey, name: fileName(video, clip) }] : [];
  });
}

/** `Title 00-01-02-03 #12.mp4`: where the clip begins, and its id, which makes the name unique. */
function fileName(video: VideoRow, clip: ExportRow): string {
  const timecode = toTimecode(clip.startFrame, timebaseOf(video) ?? { num: 25, den: 1 }).replace(/[:;]/g, '-');
  const title =
    video.title
      .replace(/[^\p{L}\p{N} _.-]/gu, '_')
      .replace(/^[. ]+/, '')
      .slice(0, 80)
      .trim() || 'clip';
  return `${title} ${timecode} #${clip.id}.mp4`;
}
