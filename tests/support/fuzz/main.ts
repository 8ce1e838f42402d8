import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { SeededRandom } from '../fly-sim/random.ts';
import { openLaboratory } from './laboratory.ts';
import { mutate } from './mutations.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    only: { type: 'string' },
    out: { type: 'string', default: '.heaters/fuzz' },
  },
});
const seed = values.seed ?? String(Date.now());
const laboratory = await openLaboratory();
const found: string[] = [];
let looked = 0;
const fates: Record<string, number> = {};
mkdirSync(values.out, { recursive: true });
console.log(`Seed ${seed}. A file that breaks a rule is kept in ${values.out}.`);

async function look(name: string, file: string, expected: string): Promise<void> {
  const { kind, words, broken, tookMs, mostMemoryBytes } = await laboratory.examine(file, {
    isWhole: expected !== 'any' || looked++ % 4 === 0,
  });
  fates[kind] = (fates[kind] ?? 0) + 1;
  const wrong = [
    ...broken,
    ...(expected === 'any' || expected === kind || (expected === 'refused' && kind === 'failed') ? [] : [`it should be ${expected}`]),
  ];
  const line = `${name}: ${kind} in ${(tookMs / 1000).toFixed(1)} s, ${Math.round(mostMemoryBytes / 2 ** 20)} MB: ${words}`;
  if (wrong.length === 0) return console.log(line);
  const kept = path.join(values.out, `${seed}-${name.replaceAll(/[^\w.-]+/g, '-')}`);
  writeFileSync(kept, readFileSync(file));
  found.push(kept);
  console.log(`BROKEN ${line}\n  ${wrong.join('\n  ')}\n  kept as ${kept}`);
}

if (values.only !== undefined) {
  await look(path.basename(values.only), values.only, 'any');
} else {
  for (const { name, path: file, expected } of [...laboratory.films, ...laboratory.tricks]) await look(name, file, expected);
  const endMs = Date.now() + Number(values.minutes) * 60_000;
  for (let round = 0; Date.now() < endMs; round += 1) {
    const random = new SeededRandom(`${seed}/${round}`);
    const film = laboratory.films[random.integer(0, laboratory.films.length - 1)]!;
    const { bytes, how } = mutate(readFileSync(film.path), random);
    const file = path.join(laboratory.inbox, `mutated${path.extname(film.name)}`);
    writeFileSync(file, bytes);
    await look(`${round}-${film.name} (${how})`, file, 'any');
  }
}
await laboratory.close();
console.log(
  `\nSeed ${seed}: ${Object.entries(fates)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ')}; ${found.length} broke a rule.`,
);
process.exit(found.length > 0 ? 1 : 0);
