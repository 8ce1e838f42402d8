import type { Sql, Transaction } from '#lib/server/db.ts';

/** What a clip's file is cut from: the proxy without a change to it, or the master, encoded anew. */
export type ExportSource = 'proxy' | 'master';

/** How clips are exported and what their files are called. */
export interface ExportSettings {
  readonly source: ExportSource;
  readonly nameTemplate: string;
}

/** The settings in force. */
export async function exportSettings(sql: Sql): Promise<ExportSettings> {
  const [row] = await sql<ExportSettings[]>`select source, name_template as "nameTemplate" from export_settings`;
  return row!;
}

/** Changes the settings for what is exported and downloaded from now on. */
export async function setExportSettings(sql: Sql, settings: ExportSettings, actorId: number): Promise<void> {
  await sql`
    update export_settings
    set source = ${settings.source}, name_template = ${settings.nameTemplate}, updated_by = ${actorId}, updated_at = now()`;
}

/** Has clips exported once more, from this source. Gives those that are approved and whose export is not under way. */
export async function queueExports(
  tx: Transaction,
  clipIds: readonly number[],
  source: ExportSource,
): Promise<{ id: number; videoId: number; version: number }[]> {
  return [
    ...(await tx<{ id: number; videoId: number; version: number }[]>`
      update clips set export_state = 'queued', export_source = ${source}, export_error = null
      where id = any(${[...clipIds]}) and superseded_at is null and state = 'approved' and export_state in ('none', 'exported', 'failed')
      returning id, video_id as "videoId", version`),
  ];
}
