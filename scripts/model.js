// `npm run model`: fetches the model of the search by meaning, verifies it and keeps it.
// `npm run model -- --from URL-OR-FOLDER --to FOLDER`; MODEL_URL and MODEL_DIR say the same.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { fail, HOME, ROOT } from './install.js';

const { values } = parseArgs({ options: { from: { type: 'string' }, to: { type: 'string' }, description: { type: 'string' } } });
const from = values.from ?? process.env.MODEL_URL ?? 'https://huggingface.co/Xenova/clip-vit-base-patch32/resolve/main';
const folder = path.resolve(values.to ?? process.env.MODEL_DIR ?? path.join(HOME, 'model'));
const description = JSON.parse(fs.readFileSync(values.description ?? path.join(ROOT, 'python', 'clip-model.json'), 'utf8'));
const manifestPath = path.join(folder, 'model.json');

const files = {};
for (const [name, { path: file, sha256 }] of Object.entries(description.files)) {
  files[name] = { path: file, sha256: await obtain(file, sha256) };
}
// Other weights are another version: their vectors are never compared.
const version = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 12);
// Last, and in one step: without it there is no model.
fs.writeFileSync(`${manifestPath}.part`, JSON.stringify({ ...description, version, files }, null, 2));
fs.renameSync(`${manifestPath}.part`, manifestPath);
console.log(`${description.name} ${version} is in ${folder}. Restart the app to use it.`);

/** Fetches a file unless it is there; gives its SHA-256. */
async function obtain(file, pinned) {
  const target = path.join(folder, file);
  if (fs.existsSync(target)) {
    const sha256 = createHash('sha256');
    await pipeline(fs.createReadStream(target), sha256);
    const found = sha256.digest('hex');
    const known = pinned ?? installedHash(file);
    if (known === null || known === found) return found;
  }
  fs.mkdirSync(path.dirname(target), { recursive: true });
  const part = `${target}.part`;
  const hash = createHash('sha256');
  let announced = pinned;
  let bytes = 0;
  try {
    const { stream, totalBytes, sha256 } = await open(file);
    announced ??= sha256;
    const meter = new Transform({
      transform(chunk, _encoding, done) {
        hash.update(chunk);
        bytes += chunk.length;
        if (process.stdout.isTTY) process.stdout.write(`\r${file} ${totalBytes ? `${Math.floor((100 * bytes) / totalBytes)} %` : bytes}  `);
        done(null, chunk);
      },
    });
    await pipeline(stream, meter, fs.createWriteStream(part));
  } catch (error) {
    fs.rmSync(part, { force: true });
    fail(
      `${file} could not be fetched from ${from} (${error.cause?.message ?? error.message}). Name another place with --from or MODEL_URL.`,
    );
  }
  const found = hash.digest('hex');
  if (announced && announced !== found) {
    fs.rmSync(part, { force: true });
    fail(`${file} from ${from} is not the file that it should be: its SHA-256 is ${found}, not ${announced}. Nothing was kept of it.`);
  }
  fs.renameSync(part, target);
  console.log(`${process.stdout.isTTY ? '\r' : ''}${file} ${(bytes / 2 ** 20).toFixed(1)} MiB, SHA-256 ${found}`);
  return found;
}

/** A file of the source with what its server says of its length and content. */
async function open(file) {
  if (!/^https?:/.test(from)) return { stream: fs.createReadStream(path.join(from, file)), totalBytes: 0, sha256: null };
  const url = `${from.replace(/\/$/, '')}/${file}`;
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status}`);
  // A store of large files names their SHA-256 in the ETag.
  const etag = /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(response.headers.get('etag') ?? '');
  return { stream: Readable.fromWeb(response.body), totalBytes: Number(response.headers.get('content-length')), sha256: etag?.[1] ?? null };
}

/** What the installed model says of a file; null when it says nothing. */
function installedHash(file) {
  if (!fs.existsSync(manifestPath)) return null;
  const installed = JSON.parse(fs.readFileSync(manifestPath, 'utf8'));
  return Object.values(installed.files).find((entry) => entry.path === file)?.sha256 ?? null;
}
