/** A box of the MP4 family: its length, its name, what is in it (ISO/IEC 14496-12, 4.2). */
export function box(name: string, ...content: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(content.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length, 0);
  head.write(name, 4, 'latin1');
  return Buffer.concat([head, body]);
}

/** Where a box lies in a file: from its length to its end. */
export interface Place {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

const HOLDERS = new Set(['moov', 'trak', 'mdia', 'minf', 'stbl', 'dinf', 'edts', 'moof', 'traf', 'mvex', 'udta']);

/** The boxes of a file, each before those that are in it; none for a file of another kind. */
export function boxesOf(bytes: Buffer, start = 0, end = bytes.length): Place[] {
  const found: Place[] = [];
  for (let at = start; at + 8 <= end;) {
    const [size, name] = [bytes.readUInt32BE(at), bytes.toString('latin1', at + 4, at + 8)];
    if (size < 8 || at + size > end || !/^[\w© -]{4}$/.test(name)) break;
    found.push({ name, start: at, end: at + size });
    if (HOLDERS.has(name)) found.push(...boxesOf(bytes, at + 8, at + size));
    at += size;
  }
  return found;
}
