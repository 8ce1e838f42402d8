import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as v from 'valibot';
import { OptionsSchema } from './options.ts';
import { startFlySimulator } from './simulator.ts';

// `npm run fly:sim -- [--config FILE] [--port N] [--token T] [--state-file FILE]`: the simulator until it is interrupted.
const { values } = parseArgs({
  options: { config: { type: 'string' }, port: { type: 'string' }, token: { type: 'string' }, 'state-file': { type: 'string' } },
});
const file: unknown = values.config === undefined ? {} : JSON.parse(readFileSync(values.config, 'utf8'));
const simulator = await startFlySimulator({
  ...v.parse(OptionsSchema, file),
  ...(values.port === undefined ? {} : { port: Number(values.port) }),
  ...(values.token === undefined ? {} : { token: values.token }),
  ...(values['state-file'] === undefined ? {} : { stateFile: values['state-file'] }),
});
console.log(`The Machines API is at ${simulator.origin}/v1, its faults at ${simulator.origin}/_sim/faults.`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void simulator.close().then(() => process.exit(0)));
