import type { Role } from '#lib/live/views.ts';

const RANK: Readonly<Record<Role, number>> = { viewer: 0, reviewer: 1, admin: 2 };

/** Whether a role includes what another may do: admin ≥ reviewer ≥ viewer. */
export function hasRole(role: Role, atLeast: Role): boolean {
  return RANK[role] >= RANK[atLeast];
}

/** Whether a role may decide about clips. */
export function canReview(role: Role): boolean {
  return hasRole(role, 'reviewer');
}

/** Whether a role may manage people and queues. */
export function isAdmin(role: Role): boolean {
  return hasRole(role, 'admin');
}
