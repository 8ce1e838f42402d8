import * as v from 'valibot';
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

/** The id of a person, as a form names it. */
export const UserIdSchema = v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/, 'There is no such person.'), v.transform(Number));

/** The first problem of each field of a form. */
export type FieldErrors = Readonly<Record<string, string>>;

/** A form's fields, checked; or the first problem of each field. Files count as missing. */
export function readForm<Entries extends v.ObjectEntries>(
  form: FormData,
  entries: Entries,
): { kind: 'ok'; fields: v.InferOutput<v.ObjectSchema<Entries, undefined>> } | { kind: 'invalid'; errors: FieldErrors } {
  const texts = Object.fromEntries([...form].filter(([, value]) => typeof value === 'string'));
  const parsed = v.safeParse(v.object(entries), texts);
  if (parsed.success) return { kind: 'ok', fields: parsed.output };
  const errors: Record<string, string> = {};
  for (const issue of parsed.issues) errors[v.getDotPath(issue) ?? 'form'] ??= issue.message;
  return { kind: 'invalid', errors };
}
