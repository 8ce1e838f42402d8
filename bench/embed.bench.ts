/**
 * Clips per second of the embedder beside ONNX Runtime alone on the same batch: `npm run bench -- embed [--clips 64] [--rounds 5]`.
 *
 * Ours reads the stills, prepares them, asks the warm process and takes its answer; the bare one only runs the image tower
 * on pixels that are there. They take turns. Without the real model, one of its shape stands in, with weights by a seed.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { config } from '../src/lib/server/config.ts';
import { embedder } from '../src/lib/server/media/embedder.ts';
import { percentile } from './support.ts';

/** What a clip usually has, and what `embedClips` of the stage asks for at once; the model runs as many pictures at once. */
const STILLS_PER_CLIP = 3;
const CLIPS_AT_ONCE = 16;
const PICTURES_AT_ONCE = 16;

/** Runs the bench; `args` are what follows its name on the command line. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { clips: { type: 'string', default: '64' }, rounds: { type: 'string', default: '5' } },
  });
  const [clipCount, rounds] = [Number(values.clips), Number(values.rounds)];
  const python = (script: string, ...words: string[]) =>
    execFileSync(process.env.HEATERS_PYTHON ?? 'python3', [`python/${script}.py`, ...words], { encoding: 'utf8' });
  const folder = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'embed-'));
  Object.assign(process.env, {
    DATABASE_URL: process.env.TEST_DATABASE_URL,
    SECRET_KEY_BASE: 'only-for-a-bench-'.repeat(4),
    DATA_DIR: folder,
  });
  const isReal = existsSync(path.join(process.env.MODEL_DIR ?? '.heaters/model', 'model.json'));
  if (!isReal) {
    console.log(
      'The real weights are not here (`npm run model`): a model of ViT-B/32’s shape with seeded weights stands in. It costs as much.',
    );
    process.env.MODEL_DIR = path.join(folder, 'model');
    python('tests/vit_model', process.env.MODEL_DIR);
  }
  try {
    const stills = path.join(folder, 'stills');
    mkdirSync(stills);
    const count = clipCount * STILLS_PER_CLIP;
    python('tools/bare_embed', 'pictures', stills, String(count));
    const clips = Array.from({ length: clipCount }, (_, clip) =>
      Array.from({ length: STILLS_PER_CLIP }, (_, still) => path.join(stills, `${clip * STILLS_PER_CLIP + still}.webp`)),
    );
    // The first answer waits for Python and the model.
    await embedder().embedClips(clips.slice(0, 1));
    const [ours, bare]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      const beganMs = performance.now();
      for (let at = 0; at < clips.length; at += CLIPS_AT_ONCE) await embedder().embedClips(clips.slice(at, at + CLIPS_AT_ONCE));
      ours.push((1000 * clipCount) / (performance.now() - beganMs));
      bare.push(clipCount / Number(python('tools/bare_embed', 'run', config().modelDir, String(count), String(PICTURES_AT_ONCE))));
    }
    const [clipsPerSec, bareClipsPerSec] = [percentile(ours, 0.5), percentile(bare, 0.5)];
    const ratio = Math.round((1000 * clipsPerSec) / bareClipsPerSec) / 1000;
    console.log(JSON.stringify({ clipsPerSec, bareClipsPerSec, ratio, model: isReal ? 'installed' : 'seeded', clips: clipCount }));
  } finally {
    embedder().stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
