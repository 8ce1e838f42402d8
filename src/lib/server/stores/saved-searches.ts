import type { Sql, Transaction } from '#lib/server/db.ts';

/** How long a deleted search can be brought back. */
const GRACE_DAYS = 30;

/** A saved search, and what somebody has seen of it; `seenIds` is null when they have never opened it. */
export interface SavedSearchRow {
  readonly id: string;
  readonly ownerId: number;
  readonly ownerName: string;
  readonly name: string;
  readonly query: string;
  readonly isShared: boolean;
  readonly isDeleted: boolean;
  readonly seenIds: readonly number[] | null;
}

function selectFor(sql: Sql, userId: number) {
  return sql`
    select s.id, s.owner_id as "ownerId", u.name as "ownerName", s.name, s.query, s.is_shared as "isShared",
           s.deleted_at is not null as "isDeleted", n.clip_ids as "seenIds"
    from saved_searches s join users u on u.id = s.owner_id
    left join saved_search_seen n on n.search_id = s.id and n.user_id = ${userId}`;
}

/** The searches that somebody sees: their own and those that are shared, by name. */
export async function savedSearchesFor(sql: Sql, userId: number): Promise<SavedSearchRow[]> {
  return [
    ...(await sql<SavedSearchRow[]>`
      ${selectFor(sql, userId)} where s.deleted_at is null and (s.owner_id = ${userId} or s.is_shared)
      order by lower(s.name), s.created_at limit 100`),
  ];
}

/** A saved search that somebody may see, locked; also when it is deleted. */
export async function lockSavedSearch(tx: Transaction, id: string, userId: number): Promise<SavedSearchRow | null> {
  const [row] = await tx<SavedSearchRow[]>`
    ${selectFor(tx, userId)} where s.id = ${id} and (s.owner_id = ${userId} or s.is_shared) for update of s`;
  return row ?? null;
}

/** Saves a search; one that is there already stays as it is. Null when its image is not kept any more. */
export async function insertSavedSearch(
  tx: Transaction,
  search: {
    readonly id: string;
    readonly ownerId: number;
    readonly name: string;
    readonly query: string;
    readonly imageId: string | null;
    readonly isShared: boolean;
  },
): Promise<boolean> {
  const { imageId } = search;
  const rows = await tx`
    insert into saved_searches (id, owner_id, name, query, image_id, is_shared)
    select ${search.id}, ${search.ownerId}, ${search.name}, ${search.query}, ${imageId}, ${search.isShared}
    where ${imageId}::text is null or exists (select from search_images i where i.id = ${imageId})
    on conflict (id) do update set name = saved_searches.name
    returning id`;
  return rows.length === 1;
}

/** Changes what is named of a search. */
export async function updateSavedSearch(
  tx: Transaction,
  id: string,
  to: { readonly name?: string; readonly isShared?: boolean; readonly isDeleted?: boolean },
): Promise<void> {
  const { name = null, isShared = null, isDeleted = null } = to;
  await tx`
    update saved_searches
    set name = coalesce(${name}, name), is_shared = coalesce(${isShared}, is_shared),
        deleted_at = case when ${isDeleted}::boolean is null then deleted_at when ${isDeleted} then now() end
    where id = ${id}`;
}

/** Notes what somebody has seen of a search. */
export async function noteSeen(sql: Sql, id: string, userId: number, clipIds: readonly number[]): Promise<void> {
  await sql`
    insert into saved_search_seen (search_id, user_id, clip_ids) values (${id}, ${userId}, ${clipIds as number[]}::int[])
    on conflict (search_id, user_id) do update set clip_ids = excluded.clip_ids`;
}

/** Removes the deleted searches that can't be brought back any more. */
export async function removeDeletedSearches(sql: Sql): Promise<void> {
  await sql`delete from saved_searches where deleted_at < now() - make_interval(days => ${GRACE_DAYS})`;
}
