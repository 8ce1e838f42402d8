import type { FrameSpan } from '#lib/core/cuts.ts';
import { isRestricted, type SearchFilters } from '#lib/live/search.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { passes, type FoundClip, type SearchCursor } from '#lib/server/stores/search-filters.ts';
import { hasNotFailedSince } from '#lib/server/stores/stage-runs.ts';

/** How a clip's pictures become its vector: the mean direction of its stills. Another way makes them anew. */
const STRATEGY = 'mean-of-stills-1';
/** First half of the advisory lock that whoever builds a model's index holds. */
const INDEX_LOCK = 7246;
/** Up to so many candidates each one is compared: exact, and as fast as the index. */
const EXACT_MOST = 20_000;
/** How many neighbours the index looks at for each that is wanted before it is sure of them, and how many at least, also behind a filter. */
const EF_PER_WANTED = 2;
const EF_LEAST = 100;
const EF_LEAST_FILTERED = 200;
/** pgvector takes no more. */
const EF_MOST = 1_000;
/** How many neighbours the index may pass over for a filter. */
const MAX_SCAN_TUPLES = 200_000;

/** How many vectors of a model this process has seen at least: once there are many, none is counted any more. */
const seenAtLeast = new Map<number, number>();

/** A model as the database knows it. */
export interface StoredModel {
  readonly id: number;
  readonly dimensions: number;
}

/** A clip whose vector is to be made, with how many stills it has. */
export type ClipToEmbed = FrameSpan & { readonly id: number; readonly videoId: number; readonly stillCount: number };

/** The model's row, made when it is new. */
export async function registerModel(
  sql: Sql,
  model: { readonly name: string; readonly version: string; readonly dimensions: number },
): Promise<StoredModel> {
  const read = () => sql<StoredModel[]>`
    select id, dimensions from embedding_models where name = ${model.name} and version = ${model.version}`;
  const [known] = await read();
  // Each search asks: only the first one writes.
  if (known !== undefined) return known;
  await sql`
    insert into embedding_models (name, version, dimensions) values (${model.name}, ${model.version}, ${model.dimensions})
    on conflict (name, version) do nothing`;
  const [made] = await read();
  return made!;
}

/**
 * Builds the model's index if there is none, while everybody reads and writes. One that a build left behind
 * half-made is dropped first; while another process builds it, nothing is done.
 */
export async function ensureIndex(sql: Database, model: StoredModel): Promise<void> {
  const name = `clip_embeddings_near_${model.id}`;
  const isThere = async () =>
    (await sql`select 1 from pg_class c join pg_index i on i.indexrelid = c.oid where c.relname = ${name} and i.indisvalid`).length > 0;
  if (await isThere()) return;
  const own = await sql.reserve();
  try {
    const [row] = await own<{ isOurs: boolean }[]>`select pg_try_advisory_lock(${INDEX_LOCK}, ${model.id}) as "isOurs"`;
    if (!row!.isOurs) return;
    try {
      if (await isThere()) return;
      await own.unsafe(`drop index concurrently if exists ${name}`);
      await own.unsafe(`
        create index concurrently ${name} on clip_embeddings
        using hnsw ((embedding::halfvec(${model.dimensions})) halfvec_cosine_ops) where model_id = ${model.id}`);
    } finally {
      await own`select pg_advisory_unlock(${INDEX_LOCK}, ${model.id})`;
    }
  } finally {
    own.release();
  }
}

/** Whether the clip `c` has stills `s` of its frames and no vector of them. */
function lacksVector(sql: Sql, modelId: number) {
  return sql`
    c.superseded_at is null and s.start_frame = c.start_frame and s.end_frame = c.end_frame
    and not exists (select from clip_embeddings e where e.model_id = ${modelId} and e.clip_id = c.id and e.strategy = ${STRATEGY}
                    and e.start_frame = c.start_frame and e.end_frame = c.end_frame)`;
}

/** The next live clips of a video to embed, in source order, and how many there are in all. */
export async function clipsToEmbed(
  sql: Sql,
  videoId: number,
  modelId: number,
  limit: number,
): Promise<{ readonly clips: readonly ClipToEmbed[]; readonly total: number }> {
  const rows = await sql<(ClipToEmbed & { total: number })[]>`
    select c.id, c.video_id as "videoId", c.start_frame as "startFrame", c.end_frame as "endFrame",
           cardinality(s.frames) as "stillCount", (count(*) over ())::int as total
    from clips c join clip_stills s on s.clip_id = c.id
    where c.video_id = ${videoId} and ${lacksVector(sql, modelId)} order by c.start_frame limit ${limit}`;
  return { clips: [...rows], total: rows[0]?.total ?? 0 };
}

/** Videos of which some clip has stills and no vector, but for those whose last try, with these stills and this model, failed for good. */
export async function videosLackingVectors(sql: Sql, modelId: number, modelInstalledAt: Date | null): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select v.id from videos v
    where v.state = 'ready' and v.deleted_at is null
      and exists (select from clips c join clip_stills s on s.clip_id = c.id where c.video_id = v.id and ${lacksVector(sql, modelId)}
                  and ${hasNotFailedSince(sql, 'embed', sql`greatest(s.made_at, ${modelInstalledAt}::timestamptz)`)})
    limit 100`;
  return rows.map((row) => row.id);
}

/** Writes vectors down, in place of those that the clips had of this model. Clips that are gone are left out. */
export async function saveEmbeddings(
  tx: Transaction,
  modelId: number,
  rows: readonly { readonly clip: ClipToEmbed; readonly vector: readonly number[] }[],
): Promise<void> {
  for (const { clip, vector } of rows) {
    await tx`
      insert into clip_embeddings (clip_id, model_id, video_id, start_frame, end_frame, strategy, embedding)
      select id, ${modelId}, video_id, ${clip.startFrame}, ${clip.endFrame}, ${STRATEGY}, ${asText(vector)}::halfvec
      from clips where id = ${clip.id}
      on conflict (model_id, clip_id) do update
      set start_frame = excluded.start_frame, end_frame = excluded.end_frame, strategy = excluded.strategy,
          embedding = excluded.embedding, made_at = now()`;
  }
}

/** A live clip's vector; null while it has none of its frames. */
export async function vectorOfClip(sql: Sql, modelId: number, clipId: number): Promise<number[] | null> {
  const [row] = await sql<{ vector: string }[]>`
    select e.embedding::text as vector from clip_embeddings e join clips c on c.id = e.clip_id
    where e.model_id = ${modelId} and c.id = ${clipId} and e.start_frame = c.start_frame and e.end_frame = c.end_frame`;
  return row === undefined ? null : (JSON.parse(row.vector) as number[]);
}

/** How many live clips there are, and how many of them have a vector of their frames. */
export async function coverage(sql: Sql, modelId: number): Promise<{ clipCount: number; embeddedCount: number }> {
  const [row] = await sql<{ clipCount: number; embeddedCount: number }[]>`
    select count(*)::int as "clipCount", count(e.clip_id)::int as "embeddedCount"
    from clips c join videos v on v.id = c.video_id and v.deleted_at is null
    left join clip_embeddings e on e.model_id = ${modelId} and e.clip_id = c.id and e.start_frame = c.start_frame and e.end_frame = c.end_frame
    where c.superseded_at is null`;
  return row!;
}

/**
 * The live clips that pass the filters, nearest to a vector first, in an order that stays.
 *
 * Few candidates are all compared. Beyond `exactMost` the index gives them nearest first, and goes on until
 * enough have passed the filters (pgvector's iterative scan, strict order).
 */
export async function nearestClips(
  sql: Database,
  query: {
    readonly model: StoredModel;
    readonly vector: readonly number[];
    readonly filters: SearchFilters;
    /** Only clips that a review session is about. */
    readonly sessionId: number | null;
    readonly exceptClipId: number | null;
    readonly after: SearchCursor | null;
    readonly limit: number;
    readonly exactMost?: number;
  },
): Promise<FoundClip[]> {
  const { model, filters, sessionId, after, limit, exceptClipId, exactMost = EXACT_MOST } = query;
  const vector = asText(query.vector);
  return sql.begin(async (tx) => {
    const type = tx.unsafe(`halfvec(${model.dimensions})`);
    // Written out, not a parameter: a plan for any model could not use the index of this one.
    const modelId = tx.unsafe(String(model.id));
    const candidates = tx`
      from clip_embeddings e join clips c on c.id = e.clip_id and e.start_frame = c.start_frame and e.end_frame = c.end_frame
      join videos v on v.id = c.video_id
      where e.model_id = ${modelId} and ${passes(tx, filters)} ${sessionId === null ? tx`` : inSession(tx, sessionId)} ${exceptClipId === null ? tx`` : tx`and c.id <> ${exceptClipId}`}`;
    const distance = tx`(e.embedding::${type} <=> ${vector}::${type})`;
    const isAfter = after === null ? tx`` : tx`where (distance, id) > (${after.distance}::float8, ${after.clipId}::int)`;
    const isFiltered = isRestricted(filters) || sessionId !== null;
    if (isFiltered || (seenAtLeast.get(model.id) ?? 0) <= exactMost) {
      const counted = tx<{ count: number; clipId: number | null; distance: number }[]>`
        with candidate as materialized (select c.id, ${distance} as distance ${candidates} limit ${exactMost + 1})
        select counted.count, near.id as "clipId", near.distance
        from (select count(*)::int as count from candidate) counted
        left join (select id, distance from candidate ${isAfter} order by candidate.distance, id limit ${limit}) near on true
        order by near.distance, near.id`;
      // A row by its key costs what the next one does: all of them are in memory, or on a disk without a head.
      const [, rows] = await Promise.all([configure(tx, { random_page_cost: '1.1' }), counted]);
      const { count } = rows[0]!;
      if (!isFiltered) seenAtLeast.set(model.id, count);
      if (count <= exactMost) return rows.flatMap(({ clipId, distance }) => (clipId === null ? [] : [{ clipId, distance }]));
    }
    const efSearch = Math.min(EF_MOST, Math.max(isFiltered ? EF_LEAST_FILTERED : EF_LEAST, EF_PER_WANTED * limit));
    // The planner takes vectors of a clip's present frames for rare and would compare all: only the index gives an order without a sort.
    const settings = {
      ...{ 'hnsw.iterative_scan': 'strict_order', 'hnsw.ef_search': efSearch, 'hnsw.max_scan_tuples': MAX_SCAN_TUPLES },
      ...{ enable_sort: 'off', enable_hashjoin: 'off', enable_mergejoin: 'off', enable_material: 'off' },
    };
    const near = tx<FoundClip[]>`
      select id as "clipId", distance from (
        select c.id, ${distance} as distance ${candidates}
        ${after === null ? tx`` : tx`and (${distance}, c.id) > (${after.distance}::float8, ${after.clipId}::int)`}
        order by ${distance} limit ${limit}
      ) near order by near.distance, id`;
    // Both go out at once, one behind the other.
    const [, rows] = await Promise.all([configure(tx, settings), near]);
    return [...rows];
  }) as Promise<FoundClip[]>;
}

/** Sets parameters of the server for the rest of a transaction. */
function configure(tx: Transaction, settings: Readonly<Record<string, string | number>>) {
  return tx`
    select set_config(name, value, true)
    from unnest(${Object.keys(settings)}::text[], ${Object.values(settings).map(String)}::text[]) as s (name, value)`;
}

/** That a review session is about the clip `c`. */
function inSession(sql: Sql, sessionId: number) {
  return sql`
    and exists (select from review_session_spans p where p.session_id = ${sessionId} and p.video_id = c.video_id
                and c.start_frame < p.end_frame and c.end_frame > p.start_frame)`;
}

/** pgvector's text form. */
function asText(vector: readonly number[]): string {
  return `[${vector.join(',')}]`;
}
