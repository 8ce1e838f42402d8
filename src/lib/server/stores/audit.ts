import type { Sql, Transaction } from '#lib/server/db.ts';

/** Something that an admin has done, or the app in their place. */
export interface AuditEntry {
  /** Null for the app itself. */
  readonly actor: { readonly userId: number; readonly name: string } | null;
  /** A kind and its verb, such as `queue.pause`. */
  readonly action: string;
  /** What it was done to, such as `queue:exports`. */
  readonly target: string;
  /** What it was and has become; nothing secret. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An entry of the log as a page shows it. */
export interface AuditView {
  readonly id: number;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** What the log calls an invite: enough of its hash to tell it from others. */
export function inviteName(tokenHash: string): string {
  return `invite:${tokenHash.slice(0, 12)}`;
}

/** Writes down what was done, in the transaction that does it. Gives the entry's id. */
export async function recordAudit(tx: Transaction, { actor, action, target, details = {} }: AuditEntry): Promise<number> {
  const [row] = await tx<{ id: number }[]>`
    insert into audit_log (actor_id, actor, action, target, details)
    values (${actor?.userId ?? null}, ${actor?.name ?? 'Heaters'}, ${action}, ${target}, ${tx.json(details as never)})
    returning id`;
  return Number(row!.id);
}

/** The log, newest first: entries before an id, of one target or one person where they are named. */
export async function auditEntries(
  sql: Sql,
  {
    target = null,
    actor = null,
    beforeId = null,
    limit,
  }: { readonly target?: string | null; readonly actor?: string | null; readonly beforeId?: number | null; readonly limit: number },
): Promise<AuditView[]> {
  const rows = await sql<AuditView[]>`
    select id::float8 as id, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, actor, action, target, details
    from audit_log
    where (${target}::text is null or target = ${target}) and (${actor}::text is null or actor = ${actor}) and (${beforeId}::bigint is null or id < ${beforeId})
    order by id desc limit ${limit}`;
  return [...rows];
}

/** Everybody who is in the log, by name. */
export async function auditActors(sql: Sql): Promise<string[]> {
  // From name to name along the index, however long the log is.
  const rows = await sql<{ actor: string }[]>`
    with recursive names as (
      (select actor from audit_log order by actor limit 1)
      union all
      select (select actor from audit_log where actor > names.actor order by actor limit 1) from names where names.actor is not null
    )
    select actor from names where actor is not null limit 200`;
  return rows.map(({ actor }) => actor);
}
