import { renderName, uniqueNames } from '#lib/core/export-names.ts';
import type { FrameSpan } from '#lib/core/cuts.ts';
import { toTimecode } from '#lib/core/frame-rate.ts';
import type { CutEvent } from '#lib/core/interchange/cut-list.ts';
import type { Sql } from '#lib/server/db.ts';
import { cutEvents } from '#lib/server/features/interchange.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { stillKey } from '#lib/server/storage/keys.ts';
import { signMediaUrl } from '#lib/server/storage/sign-url.ts';
import { clipsById, exportRows } from '#lib/server/stores/clips.ts';
import { exportSettings } from '#lib/server/stores/export-settings.ts';
import { findVideo } from '#lib/server/stores/videos.ts';

const URL_LIFETIME_MS = 60 * 60_000;

/** An exported clip's file, and what is said about it beside it. */
export interface ExportedFile {
  readonly clipId: number;
  readonly key: string;
  /** Under which people get it, with extension. */
  readonly name: string;
  /** The sidecar, JSON. */
  readonly sidecar: string;
}

/** A short-lived signed URL of a video's poster or proxy; null while there is none. */
export async function videoFileUrl(sql: Sql, videoId: number, file: 'poster' | 'proxy'): Promise<string | null> {
  const video = await findVideo(sql, videoId);
  const key = file === 'poster' ? video?.thumbnailKey : video?.proxyKey;
  return key ? signMediaUrl(key, { ttlMs: URL_LIFETIME_MS }) : null;
}

/** Where a video's poster, proxy or master lies, and what it is called for people; null where it can't be read now. */
export async function videoFile(
  sql: Sql,
  videoId: number,
  file: 'poster' | 'proxy' | 'master',
): Promise<{ readonly key: string; readonly downloadName: string } | null> {
  const video = await findVideo(sql, videoId);
  if (video === null) return null;
  const key = { poster: video.thumbnailKey, proxy: video.proxyKey, master: video.masterKey }[file];
  if (key === null || (file === 'master' && !(await isReadable(key)))) return null;
  return { key, downloadName: `${video.title} ${file}.${file === 'poster' ? 'jpg' : 'mp4'}` };
}

/** A short-lived signed URL of a picture of a clip, as it was over these frames; null where there is none. */
export async function stillFileUrl(sql: Sql, clipId: number, span: FrameSpan, name: string): Promise<string | null> {
  const [clip] = await exportRows(sql, [clipId]);
  if (clip === undefined) return null;
  return signMediaUrl(stillKey({ id: clip.id, videoId: clip.videoId, ...span }, name), { ttlMs: URL_LIFETIME_MS });
}

/** A short-lived signed URL that downloads a video's master; null while it can't be read. */
export async function masterDownloadUrl(sql: Sql, videoId: number): Promise<string | null> {
  const file = await videoFile(sql, videoId, 'master');
  return file === null ? null : signMediaUrl(file.key, { ttlMs: URL_LIFETIME_MS, downloadName: file.downloadName });
}

/** Whether an object can be read now: it is there, and not in the archive. */
async function isReadable(key: string): Promise<boolean> {
  const availability = await objectStore().availability(key);
  return availability?.kind === 'ready' || availability?.kind === 'restored';
}

/** A short-lived signed URL that downloads an exported clip; null when it is not exported. */
export async function clipDownloadUrl(sql: Sql, clipId: number): Promise<string | null> {
  const [file] = await exportedFiles(sql, [clipId]);
  return file === undefined ? null : signMediaUrl(file.key, { ttlMs: URL_LIFETIME_MS, downloadName: file.name });
}

/** The exported files among some clips, named by the template in force, each name once. */
export async function exportedFiles(sql: Sql, clipIds: readonly number[]): Promise<ExportedFile[]> {
  const rows = (await exportRows(sql, clipIds)).filter((clip) => clip.isLive && clip.exportState === 'exported' && clip.exportKey !== null);
  const events = await cutEvents(sql, await clipsById(sql, clipIds));
  const exported = events.flatMap((event) => {
    const row = rows.find((clip) => clip.id === event.clipId);
    return row === undefined ? [] : [{ event, row }];
  });
  const { nameTemplate } = await exportSettings(sql);
  const names = uniqueNames(exported.map(({ event }) => renderName(nameTemplate, namePartsOf(event))));
  return exported.map(({ event, row }, index) => {
    const name = `${names[index]}.mp4`;
    const file = { name, sizeBytes: row.exportBytes, source: row.exportSource ?? 'proxy' };
    return { clipId: event.clipId, key: row.exportKey!, name, sidecar: sidecarOf(event, file) };
  });
}

/** What a clip's name can be made of. */
export function namePartsOf(event: CutEvent) {
  const { source, clipId, startFrame, endFrame, tags, stars } = event;
  return {
    title: source.title,
    timecode: toTimecode(startFrame, source.timebase),
    clip: String(clipId),
    start: String(startFrame),
    end: String(endFrame),
    tags: tags.join(', '),
    stars: stars === null ? '' : String(Math.round(stars * 10) / 10),
  };
}

function sidecarOf(event: CutEvent, file: { readonly name: string; readonly sizeBytes: number | null; readonly source: string }): string {
  const { source, clipId, startFrame, endFrame, state, tags, stars, decidedBy, decidedAt, markers } = event;
  const { num, den } = source.timebase;
  const timecode = (frame: number) => toTimecode(frame, source.timebase);
  const described = {
    file,
    clip: { id: clipId, state, tags, stars, decidedBy, decidedAt },
    source: {
      videoId: source.videoId,
      title: source.title,
      fileName: source.fileName,
      frameRate: { num, den },
      frameCount: source.frameCount,
    },
    frames: { start: startFrame, end: endFrame, count: endFrame - startFrame },
    timecode: { start: timecode(startFrame), end: timecode(endFrame) },
    comments: markers.map((marker) => ({ ...marker, timecode: timecode(marker.startFrame) })),
  };
  return `${JSON.stringify(described, null, 2)}\n`;
}
