import { colorVector } from '#lib/core/color.ts';
import type { SearchFilters } from '#lib/live/search.ts';
import type { Sql } from '#lib/server/db.ts';

/** A clip has a colour when so much of its pictures has it. */
const LEAST_COLOR_SHARE = 0.05;

/** Where a page of a search ends: what comes after it has a greater distance, or the same and a greater id. */
export interface SearchCursor {
  readonly distance: number;
  readonly clipId: number;
}

/** A clip that a search has found; the nearest one has the smallest `distance`. */
export interface FoundClip {
  readonly clipId: number;
  readonly distance: number;
}

/** The live clips that pass the filters, newest first, after a clip. */
export async function newestClips(sql: Sql, filters: SearchFilters, afterClipId: number | null, limit: number): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select c.id from clips c join videos v on v.id = c.video_id
    where ${passes(sql, filters)} ${afterClipId === null ? sql`` : sql`and c.id < ${afterClipId}`}
    order by c.id desc limit ${limit}`;
  return rows.map((row) => row.id);
}

/** What a clip `c` of a video `v` must be to be shown. */
export function passes(sql: Sql, filters: SearchFilters) {
  const { color, state, videoId, tag, stars, reviewerId, from, to, minSeconds, maxSeconds, clipIds = null } = filters;
  const seconds = sql`(c.end_frame - c.start_frame)::float8 * v.frame_rate_den / v.frame_rate_num`;
  return sql`
    c.superseded_at is null and v.deleted_at is null
    ${clipIds === null ? sql`` : sql`and c.id = any(${[...clipIds]})`}
    ${color === null ? sql`` : hasColor(sql, color)}
    ${state === null ? sql`` : sql`and c.state = ${state}`}
    ${videoId === null ? sql`` : sql`and c.video_id = ${videoId}`}
    ${tag === null ? sql`` : sql`and exists (select from clip_tags t where t.clip_id = c.id and t.tag = ${tag})`}
    ${stars === null ? sql`` : sql`and (select avg(r.stars) from clip_ratings r where r.clip_id = c.id) >= ${stars}`}
    ${reviewerId === null ? sql`` : sql`and c.decided_by = ${reviewerId}`}
    ${from === null ? sql`` : sql`and c.decided_at >= ${from}::date`}
    ${to === null ? sql`` : sql`and c.decided_at < ${to}::date + 1`}
    ${minSeconds === null ? sql`` : sql`and ${seconds} >= ${minSeconds}`}
    ${maxSeconds === null ? sql`` : sql`and ${seconds} <= ${maxSeconds}`}`;
}

function hasColor(sql: Sql, color: string) {
  return sql`
    and exists (select from clip_colors k where k.clip_id = c.id and k.start_frame = c.start_frame and k.end_frame = c.end_frame
                and k.signature <#> ${JSON.stringify(colorVector(color))}::halfvec <= ${-LEAST_COLOR_SHARE}::float8)`;
}

/** What there is to choose from in the filters: tags in use, and who has decided. */
export async function searchChoices(sql: Sql): Promise<{ tags: string[]; reviewers: { id: number; name: string }[] }> {
  const [tags, reviewers] = await Promise.all([
    sql<{ tag: string }[]>`select distinct tag from clip_tags order by tag limit 500`,
    sql<{ id: number; name: string }[]>`
      select id, name from users u where exists (select from clips c where c.decided_by = u.id) order by name, id`,
  ]);
  return { tags: tags.map((row) => row.tag), reviewers: [...reviewers] };
}
