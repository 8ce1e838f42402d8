const MAX_TITLE_LENGTH = 300;
const MAX_FILE_NAME_LENGTH = 1_000;

/** Says that `isStorable` is not so. */
export const UNSTORABLE = 'There is a character in it that can’t be kept: type it again.';

/** Whether PostgreSQL keeps a text as it is, also within JSON: there is no NUL in it and no half of a character. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/**
 * A title out of a file name: without extension, control characters and the marks that turn the
 * direction of text; never empty. It is for people only and never part of a path.
 */
export function titleOf(fileName: string): string {
  const title = fileName
    .replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ')
    .replace(/\.[A-Za-z0-9]{1,5}$/, '')
    .trim();
  return [...title].slice(0, MAX_TITLE_LENGTH).join('') || 'Untitled';
}

/** A file name as it is kept and shown: without control characters and halves of characters, bounded. It is never part of a path. */
export function plainFileName(given: string): string {
  return [...given.toWellFormed().replace(/\p{Cc}/gu, ' ')].slice(0, MAX_FILE_NAME_LENGTH).join('').trim() || 'Untitled';
}

/** A file name's extension in lower case without the dot; `bin` when it has none that is plain. */
export function extensionOf(fileName: string): string {
  return /\.([A-Za-z0-9]{1,5})$/.exec(fileName)?.[1]?.toLowerCase() ?? 'bin';
}
