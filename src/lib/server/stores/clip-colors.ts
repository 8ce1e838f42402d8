import type { FrameSpan } from '#lib/core/cuts.ts';
import { colorSignature, colorVector, type Swatch } from '#lib/core/color.ts';
import type { SearchFilters } from '#lib/live/search.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { passes, type FoundClip, type SearchCursor } from '#lib/server/stores/search-filters.ts';
import { hasNotFailedSince } from '#lib/server/stores/stage-runs.ts';

/** How palettes are found (python/heaters_media/colors.py) and weighed (core/color.ts); another way makes them anew. */
const STRATEGY = 'kmeans-lab-1';

/** Up to so many candidates each one is compared: exact, and as fast as the index. */
const EXACT_MOST = 20_000;

/** A clip whose colours are to be found, with how many stills it has. */
export type ClipToColor = FrameSpan & { readonly id: number; readonly videoId: number; readonly stillCount: number };

/** Whether the clip `c` has stills `s` of its frames and no colours of them. */
function lacksColors(sql: Sql) {
  return sql`
    c.superseded_at is null and s.start_frame = c.start_frame and s.end_frame = c.end_frame
    and not exists (select from clip_colors k where k.clip_id = c.id and k.strategy = ${STRATEGY}
                    and k.start_frame = c.start_frame and k.end_frame = c.end_frame)`;
}

/** The next live clips of a video whose colours are to be found, in source order, and how many there are in all. */
export async function clipsToColor(
  sql: Sql,
  videoId: number,
  limit: number,
): Promise<{ readonly clips: readonly ClipToColor[]; readonly total: number }> {
  const rows = await sql<(ClipToColor & { total: number })[]>`
    select c.id, c.video_id as "videoId", c.start_frame as "startFrame", c.end_frame as "endFrame",
           cardinality(s.frames) as "stillCount", (count(*) over ())::int as total
    from clips c join clip_stills s on s.clip_id = c.id
    where c.video_id = ${videoId} and ${lacksColors(sql)} order by c.start_frame limit ${limit}`;
  return { clips: [...rows], total: rows[0]?.total ?? 0 };
}

/** Videos of which some clip has stills and no colours, but for those whose last try, with these stills, failed for good. */
export async function videosLackingColors(sql: Sql): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select v.id from videos v
    where v.state = 'ready' and v.deleted_at is null
      and exists (select from clips c join clip_stills s on s.clip_id = c.id where c.video_id = v.id and ${lacksColors(sql)}
                  and ${hasNotFailedSince(sql, 'colors', sql`s.made_at`)})
    limit 100`;
  return rows.map((row) => row.id);
}

/** Writes palettes down, in place of those that the clips had. Clips that are gone are left out. */
export async function saveColors(
  tx: Transaction,
  rows: readonly { readonly clip: ClipToColor; readonly palette: readonly Swatch[] }[],
): Promise<void> {
  for (const { clip, palette } of rows) {
    await tx`
      insert into clip_colors (clip_id, video_id, start_frame, end_frame, strategy, palette, signature)
      select id, video_id, ${clip.startFrame}, ${clip.endFrame}, ${STRATEGY}, ${tx.json(palette as never)}, ${JSON.stringify(colorSignature(palette))}::halfvec
      from clips where id = ${clip.id}
      on conflict (clip_id) do update
      set start_frame = excluded.start_frame, end_frame = excluded.end_frame, strategy = excluded.strategy,
          palette = excluded.palette, signature = excluded.signature, made_at = now()`;
  }
}

/** Clips' colours, by clip; of those that have some of their present frames. */
export async function palettesOf(sql: Sql, clipIds: readonly number[]): Promise<Map<number, readonly Swatch[]>> {
  const rows = await sql<{ clipId: number; palette: readonly Swatch[] }[]>`
    select k.clip_id as "clipId", k.palette
    from clip_colors k join clips c on c.id = k.clip_id and c.start_frame = k.start_frame and c.end_frame = k.end_frame
    where k.clip_id = any(${[...clipIds]})`;
  return new Map(rows.map((row) => [row.clipId, row.palette]));
}

/**
 * The live clips that pass the filters, of which one is the colour; the one with most of it first, in an order that
 * stays. `distance` is minus the share. Few candidates are all compared; beyond, the index gives them in order.
 */
export async function mostColored(
  sql: Database,
  query: {
    readonly filters: SearchFilters & { readonly color: string };
    readonly after: SearchCursor | null;
    readonly limit: number;
  },
): Promise<FoundClip[]> {
  const { filters, after, limit } = query;
  return sql.begin(async (tx) => {
    const distance = tx`(k.signature <#> ${JSON.stringify(colorVector(filters.color))}::halfvec)`;
    const candidates = tx`
      from clip_colors k join clips c on c.id = k.clip_id and c.start_frame = k.start_frame and c.end_frame = k.end_frame
      join videos v on v.id = c.video_id
      where ${passes(tx, filters)}
      ${after === null ? tx`` : tx`and (${distance}, c.id) > (${after.distance}::float8, ${after.clipId}::int)`}`;
    const [{ count } = { count: 0 }] = await tx<{ count: number }[]>`
      select count(*)::int as count from (select 1 ${candidates} limit ${EXACT_MOST + 1}) counted`;
    const isExact = count <= EXACT_MOST;
    if (!isExact) await tx.unsafe(`set local hnsw.iterative_scan = strict_order`);
    const rows = await tx<FoundClip[]>`
      with candidate as ${isExact ? tx`materialized` : tx`not materialized`} (select c.id, ${distance} as distance ${candidates})
      select id as "clipId", distance from (
        select * from candidate order by candidate.distance ${isExact ? tx`, id` : tx``} limit ${limit}
      ) most order by most.distance, id`;
    return [...rows];
  }) as Promise<FoundClip[]>;
}
