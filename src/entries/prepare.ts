import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { config } from '#lib/server/config.ts';
import { closeDb, db } from '#lib/server/db.ts';
import { createFirstAdmin } from '#lib/server/features/accounts.ts';
import { importFile } from '#lib/server/features/import-video.ts';
import { makeSampleVideo } from '#lib/server/media/sample-video.ts';
import { hasVideos } from '#lib/server/stores/videos.ts';

// Run by `npm start` once the app answers: makes the first admin and, for an empty library,
// sends a sample video through the pipeline; prints the URL to open.
const { userId, path: loginPath } = await createFirstAdmin(db());
if (!(await hasVideos(db()))) {
  console.log('Making a sample video…');
  const folder = await mkdtemp(path.join(os.tmpdir(), 'heaters-sample-'));
  const file = path.join(folder, 'sample.mp4');
  await makeSampleVideo(file);
  await importFile(db(), { userId, name: 'Admin', role: 'admin' }, { path: file, fileName: 'Sample.mp4', sourceUrl: null });
  await rm(folder, { recursive: true, force: true });
}
console.log(`\nHeaters is ready. Open this link, it logs you in:\n\n  ${config().origin}${loginPath}\n`);
await closeDb();
process.exit(0);
