import type { Sql, Transaction } from '#lib/server/db.ts';

/** Tags a clip, or takes a tag off. */
export async function setTag(tx: Transaction, clipId: number, tag: string, isOn: boolean, actorId: number): Promise<void> {
  await (isOn
    ? tx`insert into clip_tags (clip_id, tag, created_by) values (${clipId}, ${tag}, ${actorId}) on conflict do nothing`
    : tx`delete from clip_tags where clip_id = ${clipId} and tag = ${tag}`);
}

/** Sets a person's stars for a clip; 0 takes them back. */
export async function setStars(tx: Transaction, clipId: number, userId: number, stars: number): Promise<void> {
  await (stars === 0
    ? tx`delete from clip_ratings where clip_id = ${clipId} and user_id = ${userId}`
    : tx`insert into clip_ratings (clip_id, user_id, stars) values (${clipId}, ${userId}, ${stars})
         on conflict (clip_id, user_id) do update set stars = excluded.stars`);
}

/** All tags in use, the most used first: what the tag field proposes. */
export async function tagsInUse(sql: Sql): Promise<string[]> {
  const rows = await sql<{ tag: string }[]>`
    select t.tag from clip_tags t join clips c on c.id = t.clip_id where c.superseded_at is null
    group by t.tag order by count(*) desc, t.tag limit 200`;
  return rows.map((row) => row.tag);
}
