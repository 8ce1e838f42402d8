/** How many items a page of a list has at most, and if nobody says. */
export const PAGE = { most: 200, usual: 50 } as const;

/** A place in a list as an opaque text. */
export function toCursor(place: number | string): string {
  return Buffer.from(String(place)).toString('base64url');
}

/** The place that a cursor names. */
export function fromCursor(cursor: string): string {
  return Buffer.from(cursor, 'base64url').toString();
}

/** Whether a cursor names a place in a list that is in order of numbers. */
export function isPlace(cursor: string): boolean {
  return /^\d{1,16}$/.test(fromCursor(cursor));
}

/** A page of a list that is in order, falling or rising, of a number that each item has: what comes after the cursor. */
export function pageOf<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => number,
  { cursor, limit }: { readonly cursor?: string | undefined; readonly limit: number },
): { readonly items: readonly Item[]; readonly nextCursor: string | null } {
  const after = cursor === undefined ? null : Number(fromCursor(cursor));
  const isFalling = items.length > 1 && keyOf(items[0]!) > keyOf(items.at(-1)!);
  const rest = after === null ? items : items.filter((item) => (isFalling ? keyOf(item) < after : keyOf(item) > after));
  const page = rest.slice(0, limit);
  return { items: page, nextCursor: rest.length > page.length ? toCursor(keyOf(page.at(-1)!)) : null };
}
