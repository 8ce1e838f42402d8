import * as v from 'valibot';
import { isStorable, UNSTORABLE } from '#lib/core/titles.ts';

const isText = v.check(isStorable, UNSTORABLE);
const id = v.pipe(v.string(), v.uuid());
const searchName = v.pipe(
  v.string(),
  v.trim(),
  v.nonEmpty('Give the search a name.'),
  v.maxLength(80, 'A name can have at most 80 characters.'),
  isText,
);
/** Save a search, whose id the client chooses; change, delete or bring back one; or say that one has looked at what it finds. */
export const SavedSearchCommandSchema = v.variant('kind', [
  v.object({
    ...{ kind: v.literal('save'), id, name: searchName, isShared: v.boolean() },
    query: v.pipe(v.string(), v.maxLength(2000), isText),
  }),
  v.object({ kind: v.literal('rename'), id, name: searchName }),
  v.object({ kind: v.literal('share'), id, isShared: v.boolean() }),
  v.object({ kind: v.picklist(['delete', 'restore', 'seen']), id }),
]);
export type SavedSearchCommand = v.InferOutput<typeof SavedSearchCommandSchema>;

/** A search with a name, as somebody sees it. */
export interface SavedSearchView {
  readonly id: string;
  readonly name: string;
  /** The search as the page's address has it. */
  readonly query: string;
  readonly isShared: boolean;
  /** Whose it is; null for one's own. */
  readonly ownerName: string | null;
  readonly canChange: boolean;
  /** How many clips it finds, as far as they are counted; null while that can't be told. */
  readonly count: number | null;
  /** Whether it finds more than are counted. */
  readonly hasMore: boolean;
  /** How many of them have come since it was last looked at. */
  readonly newCount: number;
}
