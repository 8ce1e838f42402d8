import * as v from 'valibot';
import type { Swatch } from '#lib/core/color.ts';
import type { Timebase } from '#lib/core/frame-rate.ts';
import type { ClipView } from '#lib/live/views.ts';

/** The longest text to look for. */
export const MAX_SEARCH_TEXT = 300;

/** The largest image to search with, as it is sent; a browser shrinks a larger one first. */
export const MAX_SEARCH_IMAGE_BYTES = 900_000;

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
  /** An image that was sent before, by the hash of its bytes. */
  image: orNull(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
  /** `#rrggbb`; without the # in an address. */
  color: orNull(
    v.pipe(
      v.string(),
      v.regex(/^[0-9a-f]{6}$/),
      v.transform((hex) => `#${hex}`),
    ),
  ),
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
/** Which clips are looked at; null restricts nothing. Dates are of the decision, both included. `clipIds`: of these alone. */
export type SearchFilters = Omit<SearchWish, 'q' | 'like' | 'image'> & { readonly clipIds?: readonly number[] };

/** Whether the filters leave any clip out. */
export function isRestricted(filters: SearchFilters): boolean {
  const { color, state, videoId, tag, stars, reviewerId, from, to, minSeconds, maxSeconds, clipIds = null } = filters;
  return [color, state, videoId, tag, stars, reviewerId, from, to, minSeconds, maxSeconds, clipIds].some((value) => value !== null);
}

/** By what the clips of a search are ordered. A text goes before an image, an image before a clip; a colour then only leaves clips out. */
export function searchOrder({ q, image, like, color }: SearchWish): 'text' | 'image' | 'clip' | 'color' | 'newest' {
  if (q !== '') return 'text';
  if (image !== null) return 'image';
  if (like !== null) return 'clip';
  return color === null ? 'newest' : 'color';
}

/** A search as an address has it, without what restricts nothing; the same search always gives the same text. */
export function searchQuery(wish: SearchWish): string {
  const entries = Object.entries(wish).filter(([, value]) => value !== null && value !== '');
  return new URLSearchParams(entries.map(([name, value]) => [name, name === 'color' ? String(value).slice(1) : String(value)])).toString();
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
  /** How near it is, 0 to 100, or how much of it has the colour; null where nothing was compared. */
  readonly likenessPercent: number | null;
  /** What orders the hits of a search, then their clips' ids: a smaller one comes first. Null: the newest clip comes first. */
  readonly distance: number | null;
  /** The clip's colours, the one with the largest share first; none until they are found. */
  readonly palette: readonly Swatch[];
}

/** How clips now stand towards a search: those that it finds, and the others that there still are. */
export interface SearchStanding {
  readonly found: readonly SearchHit[];
  readonly others: readonly ClipView[];
}

/** Which of two hits of a search comes first, for `sort`. */
export function bySearchOrder(one: SearchHit, other: SearchHit): number {
  if (one.distance === null || other.distance === null) return other.clip.id - one.clip.id;
  return one.distance - other.distance || one.clip.id - other.clip.id;
}

/** A page of a search; `next` asks for what comes after it, null at its end. */
export type SearchAnswer =
  | { readonly kind: 'ok'; readonly hits: readonly SearchHit[]; readonly next: string | null }
  | { readonly kind: 'refused'; readonly message: string };
