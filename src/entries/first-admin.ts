import { configOrExit } from './config-or-exit.ts';
import { closeDb, db } from '#lib/server/db.ts';
import { createFirstAdmin } from '#lib/server/features/accounts.ts';

// Prints a link that logs the first admin in: after a first deploy, or when nobody remembers a password.
const { origin } = configOrExit();
const { path } = await createFirstAdmin(db());
console.log(`This link logs the first admin in, once:\n\n  ${origin}${path}\n`);
await closeDb();
process.exit(0);
