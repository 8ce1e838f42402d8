import { boxesOf } from './boxes.ts';
import type { SeededRandom } from '../fly-sim/random.ts';

type Mutation = (bytes: Buffer, random: SeededRandom) => Buffer;

const EXTREMES = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
/** Where the headers of most containers are, and of some the index. */
const HEADER_BYTES = 4_096;

const any = <T>(random: SeededRandom, choices: readonly T[]) => choices[random.integer(0, choices.length - 1)]!;
const place = (random: SeededRandom, bytes: Buffer) => random.integer(0, Math.max(0, bytes.length - 9));

function range(random: SeededRandom, bytes: Buffer): [number, number] {
  const start = place(random, bytes);
  return [start, Math.min(bytes.length, start + random.integer(1, 2 ** random.integer(1, 14)))];
}

function flipBits(bytes: Buffer, random: SeededRandom, from: number, to: number): Buffer {
  for (let count = random.integer(1, 64); count > 0; count -= 1) {
    const at = random.integer(from, Math.max(from, to - 1));
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(0, 7));
  }
  return bytes;
}

/** The ways to damage a file. Each gets a copy of its own. */
const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'flips bits anywhere': (bytes, random) => flipBits(bytes, random, 0, bytes.length),
  'flips bits of the header': (bytes, random) => flipBits(bytes, random, 0, Math.min(HEADER_BYTES, bytes.length)),
  'flips bits of the end': (bytes, random) => flipBits(bytes, random, Math.max(0, bytes.length - HEADER_BYTES), bytes.length),
  'cuts it short': (bytes, random) => bytes.subarray(0, place(random, bytes)),
  'cuts off its beginning': (bytes, random) => bytes.subarray(random.integer(1, HEADER_BYTES)),
  'zeroes a range': (bytes, random) => bytes.fill(0, ...range(random, bytes)),
  'repeats a range': (bytes, random) => {
    const [start, end] = range(random, bytes);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start, end), bytes.subarray(end)]);
  },
  'leaves out a range': (bytes, random) => {
    const [start, end] = range(random, bytes);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  'puts noise in': (bytes, random) => {
    const at = place(random, bytes);
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(random.hex(64), 'hex'), bytes.subarray(at)]);
  },
  'writes absurd numbers': (bytes, random) => {
    for (let count = random.integer(1, 12); count > 0; count -= 1) {
      const at = random.integer(0, Math.min(bytes.length - 9, 2 * HEADER_BYTES));
      if (random.integer(0, 1) === 1) bytes.writeUInt32BE(any(random, EXTREMES), at);
      else bytes.writeUInt32LE(any(random, EXTREMES), at);
    }
    return bytes;
  },
  'changes a box’s length': (bytes, random) => {
    const boxes = boxesOf(bytes);
    if (boxes.length > 0) bytes.writeUInt32BE(any(random, EXTREMES), any(random, boxes).start);
    return bytes;
  },
  'empties a box': (bytes, random) => {
    const boxes = boxesOf(bytes);
    const found = boxes.length > 0 ? any(random, boxes) : null;
    return found === null ? bytes : bytes.fill(0, found.start + 8, found.end);
  },
  'takes a box away': (bytes, random) => {
    const boxes = boxesOf(bytes);
    const found = boxes.length > 0 ? any(random, boxes) : null;
    return found === null ? bytes : Buffer.concat([bytes.subarray(0, found.start), bytes.subarray(found.end)]);
  },
  'moves a box to the end': (bytes, random) => {
    const boxes = boxesOf(bytes);
    const found = boxes.length > 0 ? any(random, boxes) : null;
    if (found === null) return bytes;
    return Buffer.concat([bytes.subarray(0, found.start), bytes.subarray(found.end), bytes.subarray(found.start, found.end)]);
  },
  'writes absurd times and tables': (bytes, random) => {
    const tables = boxesOf(bytes).filter(({ name }) =>
      /^(mvhd|mdhd|tkhd|stts|ctts|elst|stsz|stsc|stco|stss|stsd|trun|tfdt|mehd)$/.test(name),
    );
    for (let count = random.integer(1, 6); count > 0 && tables.length > 0; count -= 1) {
      const { start, end } = any(random, tables);
      const at = start + 8 + 4 * random.integer(0, Math.floor((end - start - 12) / 4));
      bytes.writeUInt32BE(any(random, EXTREMES), at);
    }
    return bytes;
  },
};

/** Damages a file in one to three ways; says which. The same random numbers give the same file. */
export function mutate(bytes: Buffer, random: SeededRandom): { readonly bytes: Buffer; readonly how: string } {
  const how: string[] = [];
  let mutated = bytes;
  for (let count = random.integer(1, 3); count > 0 && mutated.length > 16; count -= 1) {
    const name = any(random, Object.keys(MUTATIONS));
    mutated = MUTATIONS[name]!(Buffer.from(mutated), random);
    how.push(name);
  }
  return { bytes: mutated, how: how.join(', ') };
}
