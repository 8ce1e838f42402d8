import * as v from 'valibot';
import { isStorable, UNSTORABLE } from '#lib/core/titles.ts';
import { ROLES } from '#lib/live/views.ts';

/** An e-mail, trimmed and in lower case. ASCII only, so that PostgreSQL's lower() agrees; `admin@localhost` is one. */
export const EmailSchema = v.pipe(
  v.string('Enter your e-mail.'),
  v.trim(),
  v.toLowerCase(),
  v.nonEmpty('Enter your e-mail.'),
  v.maxLength(254, 'An e-mail can have at most 254 characters.'),
  v.regex(/^[\x21-\x3f\x41-\x7e]+@[\x21-\x3f\x41-\x7e]+$/, 'Enter an e-mail like name@example.com.'),
);

/** A person's name, trimmed, 1 to 100 characters. */
export const NameSchema = v.pipe(
  v.string('Enter a name.'),
  v.trim(),
  v.nonEmpty('Enter a name.'),
  v.maxLength(100, 'A name can have at most 100 characters.'),
);

/** A role, as a form names it. */
export const RoleSchema = v.picklist(ROLES, 'Choose a role.');

/** What ids look like in addresses and forms; PostgreSQL's integers hold all of nine digits. */
const ID = /^[1-9]\d{0,8}$/;

/** The id of a person, as a form names it. */
export const UserIdSchema = v.pipe(v.string(), v.regex(ID, 'There is no such person.'), v.transform(Number));

/** The ids of clips, as `1,2,3`: between 1 and 1000 of them. */
export const ClipIdsSchema = v.pipe(
  v.string(),
  v.regex(/^[1-9]\d{0,8}(,[1-9]\d{0,8}){0,999}$/, 'Choose between 1 and 1000 clips.'),
  v.transform((list) => list.split(',').map(Number)),
);

/** An id out of an address or a form; 0, which no row has, for anything that is none. */
export function toId(given: FormDataEntryValue | null | undefined): number {
  return typeof given === 'string' && ID.test(given) ? Number(given) : 0;
}

/** The first problem of each field of a form. */
export type FieldErrors = Readonly<Record<string, string>>;

/** A form's fields, checked; or the first problem of each field. Files count as missing. */
export function readForm<Entries extends v.ObjectEntries>(
  form: FormData,
  entries: Entries,
): { kind: 'ok'; fields: v.InferOutput<v.ObjectSchema<Entries, undefined>> } | { kind: 'invalid'; errors: FieldErrors } {
  const texts = Object.fromEntries([...form].filter(([, value]) => typeof value === 'string'));
  const unstorable = Object.entries(texts).filter(([, text]) => !isStorable(String(text)));
  if (unstorable.length > 0) return { kind: 'invalid', errors: Object.fromEntries(unstorable.map(([name]) => [name, UNSTORABLE])) };
  const parsed = v.safeParse(v.object(entries), texts);
  if (parsed.success) return { kind: 'ok', fields: parsed.output };
  const errors: Record<string, string> = {};
  for (const issue of parsed.issues) errors[v.getDotPath(issue) ?? 'form'] ??= issue.message;
  return { kind: 'invalid', errors };
}
