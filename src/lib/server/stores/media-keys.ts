import type { Sql } from '#lib/server/db.ts';

/** Of these object keys, those that no video, clip or upload under way refers to. */
export async function unreferencedKeys(sql: Sql, keys: readonly string[]): Promise<string[]> {
  if (keys.length === 0) return [];
  const rows = await sql<{ key: string }[]>`
    select key from unnest(${keys as string[]}::text[]) as candidate(key)
    where not exists (select from videos where key in (source_key, proxy_key, master_key, thumbnail_key))
      and not exists (select from clips where export_key = key)
      and not exists (select from encode_parts where key in (proxy_key, master_key))
      and not exists (select from encode_plans where key in (proxy_sound_key, master_sound_key))
      and not exists (select from uploads where uploads.key = candidate.key and state = 'sending')`;
  return rows.map((row) => row.key);
}
