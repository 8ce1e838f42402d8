// `npm run chaos -- --minutes N --seed S`: the whole system under a seeded nemesis, for longer than the tests have time for.
import { parseArgs } from 'node:util';
import { randomBytes } from 'node:crypto';
import { fail } from './install.js';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string' } } });
if (!(Number(values.minutes) > 0)) fail('Give the minutes as a number: npm run chaos -- --minutes 10 --seed any');
process.env.CHAOS_MINUTES = values.minutes;
process.env.CHAOS_SEED = values.seed ?? randomBytes(4).toString('hex');
console.log(`Chaos of ${values.minutes} minutes, seed ${process.env.CHAOS_SEED}.`);
process.argv.splice(2, Infinity, 'chaos');
await import('./test.js');
