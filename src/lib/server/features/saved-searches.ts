import type { DoneReply, Refused } from '#lib/live/commands.ts';
import type { SavedSearchCommand, SavedSearchView } from '#lib/live/saved-search.ts';
import { parseSearch, searchQuery } from '#lib/live/search.ts';
import type { Database } from '#lib/server/db.ts';
import { findMatches } from '#lib/server/features/search-clips.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { signal } from '#lib/server/stores/outbox.ts';
import {
  insertSavedSearch,
  lockSavedSearch,
  noteSeen,
  savedSearchesFor,
  updateSavedSearch,
  type SavedSearchRow,
} from '#lib/server/stores/saved-searches.ts';

const GONE = { kind: 'refused', message: 'This saved search is gone, or is not shared any more.' } as const;
/** Questions to the database at a time: a page's list must not take all of its connections. */
const SEARCHES_AT_ONCE = 3;

/** The searches that somebody sees, with how many clips each finds now, and how many of them they have not seen. */
export async function savedSearches(sql: Database, actor: Actor): Promise<SavedSearchView[]> {
  const rows = await savedSearchesFor(sql, actor.userId);
  const views: SavedSearchView[] = [];
  for (let start = 0; start < rows.length; start += SEARCHES_AT_ONCE) {
    views.push(...(await Promise.all(rows.slice(start, start + SEARCHES_AT_ONCE).map((row) => viewOf(sql, actor, row)))));
  }
  return views;
}

/** Saves, changes, deletes or brings back a search, or notes that somebody has looked at what it finds. */
export async function commandSavedSearch(sql: Database, actor: Actor, command: SavedSearchCommand): Promise<DoneReply> {
  if (command.kind === 'save') {
    const refusal = command.isShared ? refusalToShare(actor) : null;
    return refusal ?? save(sql, actor, command);
  }
  if (command.kind === 'seen') {
    const row = (await savedSearchesFor(sql, actor.userId)).find((one) => one.id === command.id);
    if (row === undefined) return GONE;
    const matches = await findMatches(sql, parseSearch(new URLSearchParams(row.query)));
    if (matches !== null) await noteSeen(sql, row.id, actor.userId, matches.clipIds);
    return { kind: 'ok' };
  }
  return sql.begin(async (tx): Promise<DoneReply> => {
    const row = await lockSavedSearch(tx, command.id, actor.userId);
    if (row === null) return GONE;
    if (!mayChange(actor, row)) return { kind: 'refused', message: `Only ${row.ownerName} or an admin can change this search.` };
    const refusal = command.kind === 'share' && command.isShared ? refusalToShare(actor) : null;
    if (refusal !== null) return refusal;
    if (row.isDeleted && command.kind !== 'restore') return command.kind === 'delete' ? { kind: 'ok' } : GONE;
    switch (command.kind) {
      case 'rename':
        await updateSavedSearch(tx, row.id, { name: command.name });
        break;
      case 'share':
        await updateSavedSearch(tx, row.id, { isShared: command.isShared });
        break;
      case 'delete':
      case 'restore':
        await updateSavedSearch(tx, row.id, { isDeleted: command.kind === 'delete' });
        break;
    }
    await signal(tx, { topic: 'library', type: 'saved-searches-changed', payload: null });
    return { kind: 'ok' };
  }) as Promise<DoneReply>;
}

async function save(sql: Database, actor: Actor, command: Extract<SavedSearchCommand, { kind: 'save' }>): Promise<DoneReply> {
  const wish = parseSearch(new URLSearchParams(command.query));
  // What it finds now is not new. Asked before: a search takes a connection of its own.
  const matches = await findMatches(sql, wish);
  return sql.begin(async (tx): Promise<DoneReply> => {
    const { id, name, isShared } = command;
    const isSaved = await insertSavedSearch(tx, {
      ...{ id, name, isShared, ownerId: actor.userId },
      ...{ query: searchQuery(wish), imageId: wish.image },
    });
    if (!isSaved) return { kind: 'refused', message: 'The image of this search is not kept any more: choose it again, then save.' };
    if ((await lockSavedSearch(tx, id, actor.userId))?.ownerId !== actor.userId) return GONE;
    if (matches !== null) await noteSeen(tx, id, actor.userId, matches.clipIds);
    await signal(tx, { topic: 'library', type: 'saved-searches-changed', payload: null });
    return { kind: 'ok' };
  }) as Promise<DoneReply>;
}

async function viewOf(sql: Database, actor: Actor, row: SavedSearchRow): Promise<SavedSearchView> {
  const matches = await findMatches(sql, parseSearch(new URLSearchParams(row.query)));
  const seen = row.seenIds === null ? null : new Set(row.seenIds);
  return {
    ...{ id: row.id, name: row.name, query: row.query, isShared: row.isShared },
    ownerName: row.ownerId === actor.userId ? null : row.ownerName,
    canChange: mayChange(actor, row),
    count: matches?.clipIds.length ?? null,
    hasMore: matches?.hasMore ?? false,
    newCount: seen === null ? 0 : (matches?.clipIds.filter((id) => !seen.has(id)).length ?? 0),
  };
}

function mayChange(actor: Actor, row: SavedSearchRow): boolean {
  return row.ownerId === actor.userId || actor.role === 'admin';
}

function refusalToShare(actor: Actor): Refused | null {
  return actor.role === 'viewer' ? { kind: 'refused', message: 'Only reviewers share searches. Save it for yourself.' } : null;
}
