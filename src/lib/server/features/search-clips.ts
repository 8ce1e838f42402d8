import * as v from 'valibot';
import type { SearchAnswer, SearchHit, SearchWish } from '#lib/live/search.ts';
import type { Database, Sql } from '#lib/server/db.ts';
import { embedder, installedModel } from '#lib/server/media/embedder.ts';
import { MediaProcessError } from '#lib/server/media/python.ts';
import { log } from '#lib/server/log.ts';
import { clipsById } from '#lib/server/stores/clips.ts';
import {
  coverage,
  nearestClips,
  newestClips,
  registerModel,
  searchChoices,
  vectorOfClip,
  type StoredModel,
} from '#lib/server/stores/embeddings.ts';
import { videoTitles } from '#lib/server/stores/videos.ts';

const PAGE_LENGTH = 48;
const OFF =
  'Search by meaning is off: this installation has no model. Its operator fetches one with `npm run model`. The filters work without.';

const CursorSchema = v.pipe(v.string(), v.parseJson(), v.tuple([v.number(), v.pipe(v.number(), v.integer())]));

/** Finds clips: by what a text means, by likeness to a clip, or, with neither, all that pass the filters, newest first. */
export async function searchClips(sql: Database, wish: SearchWish, cursor: string | null): Promise<SearchAnswer> {
  const parsed = cursor === null ? null : v.safeParse(CursorSchema, cursor);
  if (parsed?.success === false) return { kind: 'refused', message: 'This page of the search is not known: search anew.' };
  const after = parsed === null ? null : { distance: parsed.output[0], clipId: parsed.output[1] };
  const { q, like, ...filters } = wish;
  if (q === '' && like === null) {
    const ids = await newestClips(sql, filters, after?.clipId ?? null, PAGE_LENGTH);
    return answer(
      sql,
      ids.map((clipId) => ({ clipId, distance: null })),
    );
  }
  const found = await installedModel();
  if (found === null) return { kind: 'refused', message: OFF };
  const model = await registerModel(sql, found);
  let vector: number[] | null;
  try {
    vector = await vectorFor(sql, model, wish);
  } catch (error) {
    if (!(error instanceof MediaProcessError)) throw error;
    log.error({ err: error }, 'the model gives no vector for a search');
    return { kind: 'refused', message: error.message };
  }
  if (vector === null)
    return { kind: 'refused', message: 'This clip can’t be compared yet: it is gone, or its embedding is still being made.' };
  // A text is asked for first: the clip then only says where the search came from.
  const exceptClipId = q === '' ? like : null;
  return answer(sql, await nearestClips(sql, { model, vector, filters, exceptClipId, after, limit: PAGE_LENGTH }));
}

/** What the search page shows beside results: what to choose from, and whether all clips can be found by meaning. */
export async function searchPage(sql: Sql) {
  const model = await installedModel();
  const [choices, videos, reach] = await Promise.all([
    searchChoices(sql),
    videoTitles(sql),
    model === null ? null : registerModel(sql, model).then((stored) => coverage(sql, stored.id)),
  ]);
  return { ...choices, videos: videos.map(({ id, title }) => ({ id, title })), coverage: reach };
}

async function vectorFor(sql: Sql, model: StoredModel, { q, like }: SearchWish): Promise<number[] | null> {
  if (q !== '') return embedder().embedText(q);
  return like === null ? null : vectorOfClip(sql, model.id, like);
}

async function answer(sql: Sql, found: readonly { readonly clipId: number; readonly distance: number | null }[]): Promise<SearchAnswer> {
  const clips = new Map(
    (
      await clipsById(
        sql,
        found.map(({ clipId }) => clipId),
      )
    ).map((clip) => [clip.id, clip]),
  );
  const videoIds = [...new Set([...clips.values()].map((clip) => clip.videoId))];
  const videos = new Map((await videoTitles(sql, videoIds)).map((video) => [video.id, video]));
  const hits = found.flatMap(({ clipId, distance }): SearchHit[] => {
    const clip = clips.get(clipId);
    const video = clip && videos.get(clip.videoId);
    if (!clip || !video?.frameRate) return [];
    const likenessPercent = distance === null ? null : Math.round(100 * (1 - distance));
    return [{ clip, videoTitle: video.title, frameRate: video.frameRate, likenessPercent }];
  });
  const last = found.at(-1);
  const isMore = found.length === PAGE_LENGTH && last !== undefined;
  return { kind: 'ok', hits, next: isMore ? JSON.stringify([last.distance ?? 0, last.clipId]) : null };
}
