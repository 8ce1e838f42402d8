import { parseArgs } from 'node:util';
import { config, ConfigError, type Config } from '#lib/server/config.ts';
import { closeDb } from '#lib/server/db.ts';
import { AFTER_PATIENCE_MS, afterDeploy } from '#lib/server/doctor/after-deploy.ts';
import { beforeDeploy } from '#lib/server/doctor/before-deploy.ts';
import { examine, type Finding } from '#lib/server/doctor/check.ts';

// `npm run doctor`: what must hold before a deploy, and with `--after URL` what must hold after it.
const MARKS = { pass: '✓', fail: '✗', skip: '–' } as const;

const { values: options } = parseArgs({
  options: {
    before: { type: 'boolean', default: false },
    after: { type: 'string' },
    spawn: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
if (options.after !== undefined && !URL.canParse(options.after)) {
  process.stderr.write('--after takes the URL of the app, such as https://heaters.example.com.\n');
  process.exit(2);
}

const findings: Finding[] = [];
const settings = readSettings();
if (settings !== null) {
  const isBefore = options.before || options.after === undefined;
  const before = isBefore ? beforeDeploy(settings) : [];
  const after = options.after === undefined ? [] : afterDeploy(settings, new URL(options.after), options.spawn);
  // One after another: a machine that is busy with one check would make the next one late.
  for (const check of before) tell(await examine(check));
  for (const check of after) tell(await examine(check, AFTER_PATIENCE_MS));
  await closeDb().catch(() => undefined);
}
const failed = findings.filter(({ kind }) => kind === 'fail').length;
if (options.json) console.log(JSON.stringify({ ok: failed === 0, findings }, null, 2));
else console.log(failed === 0 ? '\nAll is well.' : `\n${failed} to mend.`);
process.exit(failed === 0 ? 0 : 1);

/** The configuration; null when it is wrong, with a finding for each variable. */
function readSettings(): Config | null {
  try {
    const found = config();
    tell({ name: 'variables', kind: 'pass', said: `all that ${found.appEnv} needs are there` });
    return found;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const cure = 'Set it; on Fly.io secrets with `fly secrets set`, all else in fly.toml.';
    for (const said of error.message.split('\n')) tell({ name: 'variables', kind: 'fail', said, cure });
    return null;
  }
}

function tell(finding: Finding): void {
  findings.push(finding);
  if (options.json) return;
  console.log(`${MARKS[finding.kind]} ${finding.name}: ${finding.said}`);
  if (finding.kind === 'fail') console.log(`    ${finding.cure}`);
}
