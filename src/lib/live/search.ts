import * as v from 'valibot';
import type { Timebase } from '#lib/core/frame-rate.ts';
import type { ClipView } from '#lib/live/views.ts';

/** The longest text to look for. */
export const MAX_SEARCH_TEXT = 300;

const id = v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/), v.transform(Number));
const seconds = v.pipe(v.string(), v.regex(/^\d{1,6}(\.\d{1,3})?$/), v.transform(Number));
// Of the calendar: there is no 31st of February, and for PostgreSQL no year 0.
const date = v.pipe(
  v.string(),
  v.isoDate(),
  v.check((text) => text >= '0001' && new Date(text).toJSON()?.startsWith(text)),
);
/** What is absent, empty or makes no sense restricts nothing. */
const orNull = <Output>(schema: v.GenericSchema<string, Output>) => v.fallback(v.nullable(schema), null);

const SearchSchema = v.object({
  q: v.fallback(v.pipe(v.string(), v.trim(), v.maxLength(MAX_SEARCH_TEXT)), ''),
  like: orNull(id),
  state: orNull(v.picklist(['pending', 'approved', 'skipped', 'archived'])),
  videoId: orNull(id),
  tag: orNull(v.pipe(v.string(), v.nonEmpty(), v.maxLength(40))),
  stars: orNull(v.pipe(v.string(), v.regex(/^[1-5]$/), v.transform(Number))),
  reviewerId: orNull(id),
  from: orNull(date),
  to: orNull(date),
  minSeconds: orNull(seconds),
  maxSeconds: orNull(seconds),
});

/** What is looked for, and among which clips. A search lives in the page's address. */
export type SearchWish = v.InferOutput<typeof SearchSchema>;
/** Which clips are looked at; null restricts nothing. Dates are of the decision, both included. */
export type SearchFilters = Omit<SearchWish, 'q' | 'like'>;

/** Whether the filters leave any clip out. */
export function isRestricted(filters: SearchFilters): boolean {
  const { state, videoId, tag, stars, reviewerId, from, to, minSeconds, maxSeconds } = filters;
  return [state, videoId, tag, stars, reviewerId, from, to, minSeconds, maxSeconds].some((value) => value !== null);
}

/** Reads a search out of an address. */
export function parseSearch(params: URLSearchParams): SearchWish {
  const given = Object.fromEntries(Object.keys(SearchSchema.entries).map((name) => [name, params.get(name)]));
  // PostgreSQL keeps no NUL in a text.
  return v.parse(SearchSchema, { ...given, q: (given.q ?? '').replaceAll('\0', ' ').slice(0, MAX_SEARCH_TEXT) });
}

/** A clip that was found. */
export interface SearchHit {
  readonly clip: ClipView;
  readonly videoTitle: string;
  readonly frameRate: Timebase;
  /** How near it is, 0 to 100; null where nothing was compared. */
  readonly likenessPercent: number | null;
}

/** A page of a search; `next` asks for what comes after it, null at its end. */
export type SearchAnswer =
  | { readonly kind: 'ok'; readonly hits: readonly SearchHit[]; readonly next: string | null }
  | { readonly kind: 'refused'; readonly message: string };
