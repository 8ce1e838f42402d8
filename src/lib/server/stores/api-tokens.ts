import type { ApiTokenView, Scope } from '#lib/live/api-scopes.ts';
import type { Role } from '#lib/live/views.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** Who stands behind a request's token, and what is left of its rate. */
export interface TokenHolder {
  readonly tokenId: number;
  readonly tokenName: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: string;
  readonly userId: number;
  readonly userName: string;
  readonly role: Role;
  readonly ratePerMinute: number;
  /** Whether this request is within the rate; one that is not is not counted. */
  readonly isAllowed: boolean;
  /** How many requests may follow at once. */
  readonly remaining: number;
  /** When the next one may come, in seconds from now. */
  readonly waitSeconds: number;
}

const isoTime = (sql: Sql, column: string) => sql`to_char(${sql(column)} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

/** Stores a token by its hash; gives its id. */
export async function insertToken(
  tx: Transaction,
  token: {
    readonly userId: number;
    readonly name: string;
    readonly tokenHash: string;
    readonly scopes: readonly Scope[];
    readonly ratePerMinute: number;
    readonly validDays: number;
  },
): Promise<number> {
  const [row] = await tx<{ id: number }[]>`
    insert into api_tokens (user_id, name, token_hash, scopes, rate_per_minute, expires_at)
    values (${token.userId}, ${token.name}, ${token.tokenHash}, ${[...token.scopes]}::text[], ${token.ratePerMinute},
            now() + make_interval(days => ${token.validDays}))
    returning id`;
  return row!.id;
}

/**
 * Finds who a token speaks for and takes one request off its rate; null for a token that is unknown, expired or revoked,
 * or whose person is disabled. The rate is a leaky bucket of one minute's requests, kept as one moment (GCRA).
 */
export async function useToken(sql: Sql, tokenHash: string): Promise<TokenHolder | null> {
  const [row] = await sql<TokenHolder[]>`
    with found as (
      select t.id, t.name, t.scopes, t.expires_at, t.rate_per_minute, u.id as user_id, u.name as user_name, u.role,
             greatest(t.used_until, now()) + interval '1 minute' / t.rate_per_minute as next_until
      from api_tokens t join users u on u.id = t.user_id
      where t.token_hash = ${tokenHash} and t.revoked_at is null and t.expires_at > now() and u.disabled_at is null
      for update of t
    ), used as (
      update api_tokens t set used_until = found.next_until, last_used_at = now()
      from found where t.id = found.id and found.next_until <= now() + interval '1 minute'
    )
    select id as "tokenId", name as "tokenName", scopes, ${isoTime(sql, 'expires_at')} as "expiresAt", user_id as "userId",
           user_name as "userName", role, rate_per_minute as "ratePerMinute", next_until <= now() + interval '1 minute' as "isAllowed",
           greatest(0, floor(extract(epoch from now() + interval '1 minute' - next_until) * rate_per_minute / 60))::int as remaining,
           greatest(0, ceil(extract(epoch from next_until - now() - interval '1 minute')))::int as "waitSeconds"
    from found`;
  return row ?? null;
}

/** Tokens, the newest first: one person's, or with null everybody's. */
export async function listTokens(sql: Sql, userId: number | null): Promise<ApiTokenView[]> {
  return [
    ...(await sql<ApiTokenView[]>`
      select t.id, t.name, u.id as "userId", u.name as "userName", t.scopes, t.rate_per_minute as "ratePerMinute",
             ${isoTime(sql, 't.created_at')} as "createdAt", ${isoTime(sql, 't.expires_at')} as "expiresAt",
             ${isoTime(sql, 't.last_used_at')} as "lastUsedAt",
             case when t.revoked_at is not null then 'revoked' when t.expires_at <= now() then 'expired'
                  when u.disabled_at is not null then 'disabled' else 'active' end as state
      from api_tokens t join users u on u.id = t.user_id
      where ${userId}::int is null or t.user_id = ${userId}::int
      order by t.id desc`),
  ];
}

/** Revokes a token, of one person or with null of anybody; gives its name, null when there was none to revoke. */
export async function revokeToken(tx: Transaction, tokenId: number, userId: number | null): Promise<string | null> {
  const [row] = await tx<{ name: string }[]>`
    update api_tokens set revoked_at = now()
    where id = ${tokenId} and revoked_at is null and (${userId}::int is null or user_id = ${userId}::int)
    returning name`;
  return row?.name ?? null;
}

/** Deletes tokens that ended this many days ago. */
export async function removeEndedTokens(sql: Sql, days: number): Promise<void> {
  await sql`delete from api_tokens where least(revoked_at, expires_at) < now() - make_interval(days => ${days})`;
}
