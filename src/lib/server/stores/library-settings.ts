import type { Sql } from '#lib/server/db.ts';

/** What the library keeps for how long, in days; null is for ever. */
export interface LibrarySettings {
  /** How long a deleted video can be brought back. */
  readonly graceDays: number;
  readonly originalDays: number | null;
  readonly masterDays: number | null;
  /** How long a master that was restored from the archive can be read. */
  readonly restoreDays: number;
}

/** The rules in force, and who made them. */
export async function librarySettings(
  sql: Sql,
): Promise<LibrarySettings & { readonly updatedBy: string | null; readonly updatedAt: string }> {
  const [row] = await sql<(LibrarySettings & { updatedBy: string | null; updatedAt: string })[]>`
    select s.grace_days as "graceDays", s.original_days as "originalDays", s.master_days as "masterDays", s.restore_days as "restoreDays",
           u.name as "updatedBy", to_char(s.updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "updatedAt"
    from library_settings s left join users u on u.id = s.updated_by`;
  return row!;
}

/** Changes the rules. */
export async function setLibrarySettings(sql: Sql, settings: LibrarySettings, actorId: number): Promise<void> {
  await sql`
    update library_settings
    set grace_days = ${settings.graceDays}, original_days = ${settings.originalDays}, master_days = ${settings.masterDays},
        restore_days = ${settings.restoreDays}, updated_by = ${actorId}, updated_at = now()`;
}

/** A file that a rule removes, with the video that it belongs to. */
export interface OutdatedFile {
  readonly videoId: number;
  readonly key: string;
  readonly sizeBytes: number | null;
}

/** Originals or masters of finished videos that are older than a number of days. */
export async function outdatedFiles(sql: Sql, kind: 'source' | 'master', days: number): Promise<OutdatedFile[]> {
  const key = sql(`${kind}_key`);
  return [
    ...(await sql<OutdatedFile[]>`
      select id as "videoId", ${key} as key, ${kind === 'source' ? sql`source_bytes::float8` : sql`null::float8`} as "sizeBytes"
      from videos v
      where ${key} is not null and state = 'ready' and deleted_at is null and created_at < now() - make_interval(days => ${days})
        -- An export may be reading it.
        and not exists (select from clips c where c.video_id = v.id and c.export_state in ('queued', 'exporting'))
      order by id`),
  ];
}

/** Notes that a rule has removed a video's original or master. */
export async function noteRemovedFile(sql: Sql, kind: 'source' | 'master', videoId: number): Promise<void> {
  await sql`update videos set ${sql(`${kind}_key`)} = null, ${sql(`${kind}_removed_at`)} = now(), updated_at = now() where id = ${videoId}`;
}
