/** A person who can be mentioned. */
export interface Mentionable {
  readonly id: number;
  readonly name: string;
}

/** A piece of a comment: plain text, or the mention of a person. */
export interface TextPiece {
  readonly text: string;
  readonly userId: number | null;
}

/**
 * Splits a comment at its mentions. A mention is `@` and a person's whole name, of whichever case; of
 * two names that fit, the longer one is meant, and a name never ends in the middle of a word.
 */
export function splitMentions(body: string, people: readonly Mentionable[]): TextPiece[] {
  const byLength = [...people].sort((one, other) => other.name.length - one.name.length);
  const pieces: TextPiece[] = [];
  let plainFrom = 0;
  for (let at = body.indexOf('@'); at !== -1; at = body.indexOf('@', at + 1)) {
    if (at < plainFrom || /[\p{L}\p{N}]/u.test(body[at - 1] ?? ' ')) continue;
    const rest = body.slice(at + 1);
    const person = byLength.find(
      ({ name }) => rest.toLowerCase().startsWith(name.toLowerCase()) && !/^[\p{L}\p{N}]/u.test(rest.slice(name.length)),
    );
    if (person === undefined) continue;
    const end = at + 1 + person.name.length;
    if (at > plainFrom) pieces.push({ text: body.slice(plainFrom, at), userId: null });
    pieces.push({ text: body.slice(at, end), userId: person.id });
    plainFrom = end;
  }
  if (plainFrom < body.length) pieces.push({ text: body.slice(plainFrom), userId: null });
  return pieces;
}

/** Who is mentioned in a comment, each once. */
export function mentionedIds(body: string, people: readonly Mentionable[]): number[] {
  return [...new Set(splitMentions(body, people).flatMap((piece) => piece.userId ?? []))];
}
