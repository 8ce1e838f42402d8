import { spansTouching } from '#lib/core/cuts.ts';
import type { CutEvent, CutList, CutListFormat, CutSource } from '#lib/core/interchange/cut-list.ts';
import { FORMATS } from '#lib/core/interchange/write.ts';
import type { CommentView } from '#lib/live/talk-views.ts';
import type { ClipView, VideoView } from '#lib/live/views.ts';
import type { Sql } from '#lib/server/db.ts';
import { requireInSession, type Actor } from '#lib/server/features/rights.ts';
import { clipsInSession, clipsOfVideo } from '#lib/server/stores/clips.ts';
import { commentViews } from '#lib/server/stores/talk.ts';
import { videoViews } from '#lib/server/stores/videos.ts';

/** Which clips go on a list. */
export type Which = 'approved' | 'all';

/** A list as a file; or that there is nothing of the kind; or why it can't be written. */
export type ListFile =
  | { readonly kind: 'ok'; readonly text: string; readonly fileName: string; readonly contentType: string }
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused'; readonly message: string };

/** The decisions of a video as a list for another program. */
export async function videoListFile(sql: Sql, videoId: number, format: CutListFormat, which: Which): Promise<ListFile> {
  const [video] = await videoViews(sql, [videoId]);
  if (video === undefined) return { kind: 'gone' };
  return listFile(sql, video.title, await clipsOfVideo(sql, videoId), format, which);
}

/** The decisions about a session's clips as a list for another program, for those who take part in it. */
export async function sessionListFile(sql: Sql, actor: Actor, sessionId: number, format: CutListFormat, which: Which): Promise<ListFile> {
  const allowed = await requireInSession(sql, actor, sessionId, 'watch');
  if (allowed.kind === 'refused') return { kind: 'gone' };
  const { title } = allowed.session;
  return listFile(sql, title, await clipsInSession(sql, sessionId), format, which);
}

async function listFile(sql: Sql, title: string, clips: readonly ClipView[], format: CutListFormat, which: Which): Promise<ListFile> {
  const chosen = clips.filter((clip) => which === 'all' || clip.state === 'approved');
  const list: CutList = { title, events: await cutEvents(sql, chosen) };
  if (list.events.length === 0) {
    const cure = which === 'approved' ? 'approve some, or choose all clips' : 'wait until the cuts are found';
    return { kind: 'refused', message: `There is no clip to put on the list: ${cure}.` };
  }
  const { write, contentType } = FORMATS[format];
  const written = write(list);
  if (written.kind === 'refused') return written;
  return { kind: 'ok', text: written.text, fileName: `${plainName(title)}.${format}`, contentType };
}

/** Clips with all that is told of them elsewhere, in the order given. Those of videos that are gone are left out. */
export async function cutEvents(sql: Sql, clips: readonly ClipView[]): Promise<CutEvent[]> {
  const videoIds = [...new Set(clips.map((clip) => clip.videoId))];
  const [videos, comments] = await Promise.all([videoViews(sql, videoIds), commentViews(sql, { videoIds })]);
  return clips.flatMap((clip) => eventOf(clip, videos, comments) ?? []);
}

function eventOf(clip: ClipView, videos: readonly VideoView[], comments: readonly CommentView[]): CutEvent | null {
  const video = videos.find(({ id }) => id === clip.videoId);
  const source = video === undefined ? null : sourceOf(video);
  if (source === null) return null;
  const { startFrame, endFrame, state, tags, ratings, decidedBy, decidedAt } = clip;
  const own = comments.filter((comment) => comment.videoId === clip.videoId && !comment.isDeleted);
  const markers = spansTouching(
    own.map(({ startFrame: at, endFrame: until, body, author }) => ({
      startFrame: at,
      endFrame: at + 1,
      until,
      text: body,
      author: author.name,
    })),
    [clip],
  );
  return {
    ...{ clipId: clip.id, source, name: `${source.title} #${clip.id}`, startFrame, endFrame, state, tags },
    stars: ratings.length === 0 ? null : ratings.reduce((sum, rating) => sum + rating.stars, 0) / ratings.length,
    decidedBy: decidedBy?.name ?? null,
    decidedAt,
    // A comment stands on the clip in which it begins, and ends with it.
    markers: markers.map(({ until, startFrame: at, text, author }) => ({
      startFrame: at,
      endFrame: Math.min(until, endFrame),
      text,
      author,
    })),
  };
}

function sourceOf({ id, title, fileName, frameRate, frameCount, width, height, sourceFacts }: VideoView): CutSource | null {
  if (frameRate === null || frameCount === null) return null;
  const hasAudio = (sourceFacts?.audioTrackCount ?? 0) > 0;
  return { videoId: id, title, fileName, timebase: frameRate, frameCount, width: width ?? 1920, height: height ?? 1080, hasAudio };
}

/** A title that any file system takes as a name. */
function plainName(title: string): string {
  return (
    title
      .replace(/[^\p{L}\p{N} _.-]/gu, '_')
      .replace(/^[. ]+/, '')
      .slice(0, 80)
      .trim() || 'clips'
  );
}
