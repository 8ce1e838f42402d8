import type { Sql } from '#lib/server/db.ts';
import { auditActors, auditEntries, type AuditView } from '#lib/server/stores/audit.ts';
import { undoableEntries } from '#lib/server/stores/job-action-items.ts';

const ENTRIES_AT_ONCE = 50;

/** An entry of the log, and whether it can still be undone. */
export type AuditEntryView = AuditView & { readonly canUndo: boolean };

/** A page of the audit log, newest first, and who is in it; `nextBeforeId` is null on the last page. */
export async function auditPage(
  sql: Sql,
  filter: { readonly target: string | null; readonly actor: string | null; readonly beforeId: number | null },
): Promise<{ readonly entries: readonly AuditEntryView[]; readonly actors: readonly string[]; readonly nextBeforeId: number | null }> {
  const [found, actors] = await Promise.all([auditEntries(sql, { ...filter, limit: ENTRIES_AT_ONCE + 1 }), auditActors(sql)]);
  const entries = found.slice(0, ENTRIES_AT_ONCE);
  const undoable = await undoableEntries(
    sql,
    entries.map(({ id }) => id),
  );
  return {
    entries: entries.map((entry) => ({ ...entry, canUndo: undoable.has(entry.id) })),
    actors,
    nextBeforeId: found.length > ENTRIES_AT_ONCE ? entries.at(-1)!.id : null,
  };
}
