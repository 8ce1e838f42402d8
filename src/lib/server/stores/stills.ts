import type { FrameSpan } from '#lib/core/cuts.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';
import { hasNotFailedSince } from '#lib/server/stores/stage-runs.ts';

/** How the frames are chosen (python/heaters_media/stills.py); stills that were chosen in another way are made anew. */
const STRATEGY = 'sharpest-near-quarters-1';

/** Where the pictures of a clip are from, and what they are. Sizes in pixels. */
export interface StillsRow {
  readonly clip: FrameSpan & { readonly id: number; readonly videoId: number };
  readonly frames: readonly number[];
  readonly tileCount: number;
  readonly width: number;
  readonly height: number;
  readonly blurhash: string;
}

/** Whether the clip `c` is live and has no stills of its frames. */
function lacksStills(sql: Sql) {
  return sql`
    c.superseded_at is null
    and not exists (select from clip_stills s where s.clip_id = c.id and s.start_frame = c.start_frame
                    and s.end_frame = c.end_frame and s.strategy = ${STRATEGY})`;
}

/** A ready video's live clips that have no stills of their frames, in source order. */
export async function clipsWithoutStills(sql: Sql, videoId: number): Promise<StillsRow['clip'][]> {
  return [
    ...(await sql<StillsRow['clip'][]>`
      select c.id, c.video_id as "videoId", c.start_frame as "startFrame", c.end_frame as "endFrame"
      from clips c where c.video_id = ${videoId} and ${lacksStills(sql)}
      order by c.start_frame`),
  ];
}

/** Ready videos of which some live clip has no stills, but for those whose last try, with these clips, failed for good. */
export async function videosWithoutStills(sql: Sql): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select v.id from videos v
    where v.state = 'ready' and v.deleted_at is null and v.proxy_key is not null
      and exists (select from clips c where c.video_id = v.id and ${lacksStills(sql)}
                  and ${hasNotFailedSince(sql, 'keyframes', sql`c.created_at`)})
    limit 100`;
  return rows.map((row) => row.id);
}

/** Writes down which pictures clips have, in place of those that they had. Clips that are gone with their video are left out. */
export async function saveStills(tx: Transaction, rows: readonly StillsRow[]): Promise<void> {
  for (const { clip, frames, tileCount, width, height, blurhash } of rows) {
    await tx`
      insert into clip_stills (clip_id, video_id, start_frame, end_frame, strategy, frames, tile_count, width, height, blurhash)
      select id, video_id, ${clip.startFrame}, ${clip.endFrame}, ${STRATEGY}, ${frames as number[]}::int[], ${tileCount}, ${width}, ${height}, ${blurhash}
      from clips where id = ${clip.id}
      on conflict (clip_id) do update
      set start_frame = excluded.start_frame, end_frame = excluded.end_frame, strategy = excluded.strategy, frames = excluded.frames,
          tile_count = excluded.tile_count, width = excluded.width, height = excluded.height, blurhash = excluded.blurhash, made_at = now()`;
  }
}
