import type { Role } from '#lib/live/views.ts';

/** What a token may be good for, with the role that its person needs for it, now and not when it was made. */
export const SCOPES = {
  read: { role: 'viewer', about: 'Read videos, clips, sessions; search; download' },
  review: { role: 'reviewer', about: 'Decide, undo, comment, tag, rate, run sessions' },
  import: { role: 'reviewer', about: 'Add, retry, remove and restore videos' },
  export: { role: 'reviewer', about: 'Start and retry exports, change their settings' },
  admin: { role: 'admin', about: 'Manage people, tokens, webhooks, queues' },
} as const satisfies Record<string, { readonly role: Role; readonly about: string }>;
export type Scope = keyof typeof SCOPES;

/** All scopes, the least first. */
export const SCOPE_NAMES = Object.keys(SCOPES) as readonly Scope[];

/** How many days a token may be good for. */
export const TOKEN_DAYS = [7, 30, 90, 365] as const;

/** A token as its person and admins see it; the secret is not among it. */
export interface ApiTokenView {
  readonly id: number;
  readonly name: string;
  readonly userId: number;
  readonly userName: string;
  readonly scopes: readonly Scope[];
  readonly ratePerMinute: number;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly lastUsedAt: string | null;
  readonly state: 'active' | 'expired' | 'revoked' | 'disabled';
}
