import * as v from 'valibot';
import type { Refused } from '#lib/live/commands.ts';
import { searchOrder, type SearchAnswer, type SearchHit, type SearchStanding, type SearchWish } from '#lib/live/search.ts';
import type { Database, Sql } from '#lib/server/db.ts';
import { SEARCH_IS_OFF } from '#lib/server/features/search-image.ts';
import { embedder, installedModel, modelState } from '#lib/server/media/embedder.ts';
import { MediaProcessError } from '#lib/server/media/python.ts';
import { log } from '#lib/server/log.ts';
import { mostColored, palettesOf } from '#lib/server/stores/clip-colors.ts';
import { clipsById } from '#lib/server/stores/clips.ts';
import { coverage, nearestClips, registerModel, vectorOfClip, type StoredModel } from '#lib/server/stores/embeddings.ts';
import { latestSeq } from '#lib/server/stores/outbox.ts';
import { newestClips, searchChoices, type SearchCursor } from '#lib/server/stores/search-filters.ts';
import { vectorOfImage } from '#lib/server/stores/search-images.ts';
import { videoTitles } from '#lib/server/stores/videos.ts';

const PAGE_LENGTH = 48;

/** Why a clip has nothing to be compared by. */
export const NOT_EMBEDDED = 'This clip can’t be compared yet: it is gone, or its embedding is still being made.';

const CursorSchema = v.pipe(v.string(), v.parseJson(), v.tuple([v.number(), v.pipe(v.number(), v.integer())]));

/** Finds clips: by what a text or an image means, by likeness to a clip, by colour, or all that pass the filters, newest first. */
export async function searchClips(sql: Database, wish: SearchWish, cursor: string | null): Promise<SearchAnswer> {
  const parsed = cursor === null ? null : v.safeParse(CursorSchema, cursor);
  if (parsed?.success === false) return { kind: 'refused', message: 'This page of the search is not known: search anew.' };
  const after = parsed === null ? null : { distance: parsed.output[0], clipId: parsed.output[1] };
  const found = await findClips(sql, wish, { after, limit: PAGE_LENGTH });
  if (found.kind === 'refused') return found;
  const last = found.clips.at(-1);
  const next = found.clips.length === PAGE_LENGTH && last ? JSON.stringify([last.distance ?? 0, last.clipId]) : null;
  return { kind: 'ok', hits: await hitsOf(sql, wish, found.clips), next };
}

/** The ids of what a search finds, in its order, with what orders them; or why there is no answer. */
export async function findClips(
  sql: Database,
  wish: SearchWish,
  { after = null, limit, clipIds }: { readonly after?: SearchCursor | null; readonly limit: number; readonly clipIds?: readonly number[] },
): Promise<{ readonly kind: 'ok'; readonly clips: readonly PlacedClip[] } | Refused> {
  const filters = clipIds === undefined ? wish : { ...wish, clipIds };
  const order = searchOrder(wish);
  if (order === 'newest') {
    const ids = await newestClips(sql, filters, after?.clipId ?? null, limit);
    return { kind: 'ok', clips: ids.map((clipId) => ({ clipId, distance: null })) };
  }
  if (order === 'color') {
    return { kind: 'ok', clips: await mostColored(sql, { filters: { ...filters, color: wish.color! }, after, limit }) };
  }
  const found = await modelState();
  if (found.kind !== 'installed') return { kind: 'refused', message: found.kind === 'none' ? SEARCH_IS_OFF : found.message };
  const model = await registerModel(sql, found.model);
  const target = await targetOf(sql, model, wish, order);
  if (target.kind === 'refused') return target;
  // Where a clip only says where the search came from, it is found like any other.
  const exceptClipId = order === 'clip' ? wish.like : null;
  return {
    kind: 'ok',
    clips: await nearestClips(sql, { model, vector: target.vector, filters, sessionId: null, exceptClipId, after, limit }),
  };
}

/** So many are counted. */
const MOST_MATCHES = 1_000;

/**
 * The clips that a search finds and not merely orders: with a text, image or clip those that are alike enough for the
 * model. Null when that can't be told: there is no model, it names no threshold, or its target is gone.
 */
export async function findMatches(sql: Database, wish: SearchWish): Promise<{ clipIds: number[]; hasMore: boolean } | null> {
  const order = searchOrder(wish);
  const isByMeaning = order !== 'newest' && order !== 'color';
  const thresholds = isByMeaning ? ((await installedModel())?.thresholds ?? null) : null;
  if (isByMeaning && thresholds === null) return null;
  const found = await findClips(sql, wish, { limit: MOST_MATCHES + 1 });
  if (found.kind === 'refused') return null;
  const least = thresholds === null ? null : order === 'text' ? thresholds.text : thresholds.picture;
  const matches = found.clips.filter(({ distance }) => least === null || distance === null || 1 - distance >= least);
  return { clipIds: matches.slice(0, MOST_MATCHES).map(({ clipId }) => clipId), hasMore: matches.length > MOST_MATCHES };
}

/** How some clips now stand towards a search; those that are gone are in neither list. Null when it can't be answered now. */
export async function searchStanding(sql: Database, wish: SearchWish, clipIds: readonly number[]): Promise<SearchStanding | null> {
  const found = await findClips(sql, wish, { limit: clipIds.length, clipIds });
  if (found.kind === 'refused') return null;
  const hits = await hitsOf(sql, wish, found.clips);
  const foundIds = new Set(hits.map((hit) => hit.clip.id));
  const others = await clipsById(
    sql,
    clipIds.filter((id) => !foundIds.has(id)),
  );
  return { found: hits, others };
}

/** What the search page shows beside results: what to choose from, and whether all clips can be found by meaning. */
export async function searchPage(sql: Sql) {
  const state = await modelState();
  const [seq, choices, videos, reach] = await Promise.all([
    latestSeq(sql, 'library'),
    searchChoices(sql),
    videoTitles(sql),
    state.kind === 'installed' ? registerModel(sql, state.model).then((stored) => coverage(sql, stored.id)) : null,
  ]);
  const modelProblem = state.kind === 'broken' ? state.message : null;
  return { seq, ...choices, videos: videos.map(({ id, title }) => ({ id, title })), coverage: reach, modelProblem };
}

type PlacedClip = Pick<SearchHit, 'distance'> & { readonly clipId: number };

/** The vector to which clips are to be near. */
async function targetOf(
  sql: Sql,
  model: StoredModel,
  { q, like, image }: SearchWish,
  order: 'text' | 'image' | 'clip',
): Promise<{ readonly kind: 'ok'; readonly vector: readonly number[] } | Refused> {
  try {
    if (order === 'text') return { kind: 'ok', vector: await embedder().embedText(q) };
  } catch (error) {
    if (!(error instanceof MediaProcessError)) throw error;
    log.error({ err: error }, 'the model gives no vector for a search');
    return { kind: 'refused', message: error.message };
  }
  const vector = order === 'image' ? await vectorOfImage(sql, model.id, image!) : await vectorOfClip(sql, model.id, like!);
  if (vector !== null) return { kind: 'ok', vector };
  const message = order === 'image' ? 'This image is not kept any more: choose it again.' : NOT_EMBEDDED;
  return { kind: 'refused', message };
}

/** Clips with all that a card shows, in the given order; those that are gone are left out. */
export async function hitsOf(sql: Sql, wish: SearchWish, found: readonly PlacedClip[]): Promise<SearchHit[]> {
  const ids = found.map(({ clipId }) => clipId);
  const clips = new Map((await clipsById(sql, ids)).map((clip) => [clip.id, clip]));
  const videoIds = [...new Set([...clips.values()].map((clip) => clip.videoId))];
  const videos = new Map((await videoTitles(sql, videoIds)).map((video) => [video.id, video]));
  const palettes = await palettesOf(sql, ids);
  // A colour's distance is minus its share, a vector's is 1 less its likeness.
  const isByColor = searchOrder(wish) === 'color';
  return found.flatMap(({ clipId, distance }): SearchHit[] => {
    const clip = clips.get(clipId);
    const video = clip && videos.get(clip.videoId);
    if (!clip || !video?.frameRate) return [];
    const likeness = distance === null ? null : isByColor ? -distance : 1 - distance;
    const likenessPercent = likeness === null ? null : Math.round(100 * likeness);
    return [{ clip, videoTitle: video.title, frameRate: video.frameRate, likenessPercent, distance, palette: palettes.get(clipId) ?? [] }];
  });
}
