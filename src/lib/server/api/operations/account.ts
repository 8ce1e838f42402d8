import * as v from 'valibot';
import { operation } from '#lib/server/api/define-operation.ts';
import { RoleSchema, TokenSchema } from '#lib/server/api/schemas.ts';

/** Who a token speaks for. */
export const accountOperations = [
  operation({
    id: 'getMe',
    method: 'GET',
    path: '/me',
    tag: 'Account',
    scope: 'read',
    summary: 'Who the token speaks for, and what it is good for',
    answer: v.object({
      ...{ userId: TokenSchema.entries.userId, name: v.string(), role: RoleSchema },
      token: v.object({
        ...{ id: TokenSchema.entries.id, name: v.string(), scopes: TokenSchema.entries.scopes },
        ...{ expiresAt: TokenSchema.entries.expiresAt, ratePerMinute: TokenSchema.entries.ratePerMinute },
      }),
    }),
    run: async ({ holder: { tokenId, tokenName, scopes, expiresAt, ratePerMinute, userId, userName, role } }) => ({
      kind: 'ok',
      body: { userId, name: userName, role, token: { id: tokenId, name: tokenName, scopes, expiresAt, ratePerMinute } },
    }),
  }),
];
