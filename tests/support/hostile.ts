import fc from 'fast-check';
import type * as v from 'valibot';

/** Texts that have broken programs: no text for PostgreSQL, half characters, other languages' syntax, long, hard to see. */
export const HOSTILE_TEXTS = [
  ...['\0', 'a\0b', '\ud800', '\udc00x', '😀'.repeat(200), 'x'.repeat(5_000), '\u202e\u2066\ufeff', '\r\nset-cookie: a=b'],
  ...["'; drop table users; --", '" or 1=1', '<script>alert(1)</script>', '{{7*7}}', '${process.env}', '=cmd|calc', '%00%2e%2e%2f'],
  ...[
    '../../../../etc/passwd',
    '__proto__',
    'constructor',
    'null',
    'NaN',
    '-1',
    '1e309',
    '9007199254740993',
    '99999999999',
    '1.5',
    '',
    ' ',
  ],
];

/** Values that nobody means, as JSON can bring them. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(...HOSTILE_TEXTS, null, true, 0, -1, 1.5, 2 ** 31, 2 ** 53, 1e300, [], {}, [[]], { length: 1e9 }),
  fc.jsonValue({ maxDepth: 3 }),
);

const texts = fc.oneof(fc.constantFrom(...HOSTILE_TEXTS), fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 60 }));

interface Node {
  readonly type: string;
  readonly pipe?: readonly { readonly kind: string; readonly type: string; readonly requirement?: unknown }[];
  readonly entries?: Readonly<Record<string, Node>>;
  readonly options?: readonly unknown[];
  readonly wrapped?: Node;
  readonly item?: Node;
  readonly literal?: unknown;
}

/** What a schema may take, at its limits too; now and then something else in a place of it. Ids are those that `known` has, mostly. */
export function arbitraryOf(schema: v.GenericSchema, known: { readonly uuids: readonly string[] }): fc.Arbitrary<unknown> {
  const visit = (node: Node): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 20, arbitrary: proper(node) }, { weight: 1, arbitrary: hostileValue });
  const limit = (node: Node, name: string) => node.pipe?.find((action) => action.type === name)?.requirement as number | undefined;
  function proper(node: Node): fc.Arbitrary<unknown> {
    switch (node.type) {
      case 'object':
        return fc.record(Object.fromEntries(Object.entries(node.entries!).map(([name, entry]) => [name, visit(entry)])), {
          requiredKeys: Object.keys(node.entries!).filter((name) => node.entries![name]!.type !== 'optional'),
        });
      case 'variant':
      case 'union':
        return fc.oneof(...(node.options as Node[]).map(proper));
      case 'picklist':
        return fc.constantFrom(...node.options!);
      case 'literal':
        return fc.constant(node.literal);
      case 'optional':
        return proper(node.wrapped!);
      case 'nullable':
        return fc.option(proper(node.wrapped!));
      case 'array':
        return fc.array(visit(node.item!), {
          minLength: limit(node, 'min_length') ?? 0,
          maxLength: Math.min(20, limit(node, 'max_length') ?? 20),
        });
      case 'boolean':
        return fc.boolean();
      case 'number': {
        const [min, max] = [limit(node, 'min_value') ?? -1e15, limit(node, 'max_value') ?? 1e15];
        // Where there are rows, and frames of theirs.
        const small = fc.constantFrom(...[1, 1, 1, 2, 3, 9].map((number) => Math.min(max, Math.max(min, number))));
        return fc.oneof({ weight: 8, arbitrary: small }, fc.constantFrom(min, max), fc.double({ min, max, noNaN: true }));
      }
      case 'string':
        if (node.pipe?.some((action) => action.type === 'uuid')) return fc.oneof(fc.constantFrom(...known.uuids), fc.uuid());
        if (limit(node, 'regex') !== undefined) return fc.stringMatching(limit(node, 'regex') as unknown as RegExp);
        return fc.oneof(texts, topics);
      default:
        throw new Error(`A schema of the type ${node.type} is new here: say what it takes.`);
    }
  }
  return visit(schema as unknown as Node);
}

const topics = fc.oneof(
  fc.constantFrom('library', 'queues', 'pool', 'system'),
  fc
    .tuple(fc.constantFrom('video', 'session', 'user', 'clip'), fc.constantFrom(0, 1, 2, 2 ** 31, 9_999_999_999))
    .map(([kind, id]) => `${kind}:${id}`),
);
