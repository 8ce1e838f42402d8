import { SCOPES, type ApiTokenView, type Scope } from '#lib/live/api-scopes.ts';
import { hasRole } from '#lib/server/auth/roles.ts';
import { createToken, hashToken } from '#lib/server/auth/tokens.ts';
import type { Database, Sql } from '#lib/server/db.ts';
import type { Outcome } from '#lib/server/features/manage-video.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import * as tokens from '#lib/server/stores/api-tokens.ts';
import { recordAudit } from '#lib/server/stores/audit.ts';

/** Makes a token recognisable: to people, and to programs that look for secrets in public code. */
export const TOKEN_PREFIX = 'heaters_';
const RATE_PER_MINUTE = 600;

/** Makes a token that acts for someone. The secret is given this once; only its hash is kept. */
export async function makeToken(
  sql: Database,
  actor: Actor,
  wish: { readonly name: string; readonly scopes: readonly Scope[]; readonly validDays: number },
): Promise<{ readonly kind: 'ok'; readonly secret: string; readonly tokenId: number } | Exclude<Outcome, { kind: 'ok' }>> {
  const beyond = wish.scopes.find((scope) => !hasRole(actor.role, SCOPES[scope].role));
  if (beyond !== undefined) return { kind: 'refused', message: `The scope “${beyond}” needs the role ${SCOPES[beyond].role}.` };
  const secret = TOKEN_PREFIX + createToken().token;
  return sql.begin(async (tx) => {
    const stored = { ...wish, userId: actor.userId, tokenHash: hashToken(secret), ratePerMinute: RATE_PER_MINUTE };
    const tokenId = await tokens.insertToken(tx, stored);
    const details = { name: wish.name, scopes: wish.scopes, validDays: wish.validDays };
    await recordAudit(tx, { actor, action: 'token.create', target: `token:${tokenId}`, details });
    return { kind: 'ok', secret, tokenId } as const;
  });
}

/** Someone's own tokens. */
export function ownTokens(sql: Sql, userId: number): Promise<ApiTokenView[]> {
  return tokens.listTokens(sql, userId);
}

/** Everybody's tokens, for admins. */
export function allTokens(sql: Sql): Promise<ApiTokenView[]> {
  return tokens.listTokens(sql, null);
}

/** Ends a token at once: one's own, or as an admin anybody's. */
export async function revokeToken(sql: Database, actor: Actor, tokenId: number): Promise<Outcome> {
  return sql.begin(async (tx): Promise<Outcome> => {
    const name = await tokens.revokeToken(tx, tokenId, actor.role === 'admin' ? null : actor.userId);
    if (name === null) return { kind: 'refused', message: 'There is no such token, or it was revoked already.' };
    await recordAudit(tx, { actor, action: 'token.revoke', target: `token:${tokenId}`, details: { name } });
    return { kind: 'ok' };
  }) as Promise<Outcome>;
}

/** Who a request with this secret acts for, with the role of now; null when it lets nobody in. Counts against the token's rate. */
export async function holderOf(sql: Sql, secret: string): Promise<tokens.TokenHolder | null> {
  return secret.startsWith(TOKEN_PREFIX) && secret.length < 200 ? tokens.useToken(sql, hashToken(secret)) : null;
}

/** Whether a token's scopes and its person's role now allow what a scope stands for; else why not. */
export function refusalOfScope({ scopes, role }: Pick<tokens.TokenHolder, 'scopes' | 'role'>, scope: Scope): string | null {
  if (!scopes.includes(scope)) return `This token lacks the scope “${scope}”: make another one on your account’s page.`;
  const needed = SCOPES[scope].role;
  return hasRole(role, needed)
    ? null
    : `This needs the role ${needed}, which this token’s person does not have now. An admin can change it.`;
}
