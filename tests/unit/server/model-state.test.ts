import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { installedModel, modelState } from '#lib/server/media/embedder.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'model-state-'));
const write = (text: string) => writeFileSync(path.join(folder, 'model.json'), text);

beforeAll(() => {
  Object.assign(process.env, {
    ...{ DATABASE_URL: 'postgres://localhost/none', SECRET_KEY_BASE: 'only-for-tests-'.repeat(4) },
    ...{ ORIGIN: 'http://localhost:3000', DATA_DIR: folder, MODEL_DIR: folder, LOG_LEVEL: 'silent' },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a folder without a model has none, one with rubbish in it says what to do, and neither is an error', async () => {
  expect(await modelState()).toEqual({ kind: 'none' });
  for (const rubbish of ['{ "name": "half', '[]', '{"name":"x","version":"1","dimensions":"many"}']) {
    write(rubbish);
    expect(await modelState()).toEqual({ kind: 'broken', message: expect.stringContaining('npm run model') });
    expect(await installedModel()).toBeNull();
  }
});

it('a model put in place later is found without a restart; one that names no likeness has that of CLIP', async () => {
  write('{"name":"old","version":"1","dimensions":512}');
  expect(await installedModel()).toMatchObject({ name: 'old', likeness: { similarPercent: 80, nearDuplicatePercent: 92 } });
});
