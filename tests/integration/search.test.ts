import { execFileSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MAX_SEARCH_IMAGE_BYTES, parseSearch, type SearchHit } from '#lib/live/search.ts';
import { dispatch } from '#lib/jobs/dispatch.server.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { sweep } from '#lib/jobs/sweep.server.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import { searchClips, searchPage } from '#lib/server/features/search-clips.ts';
import { searchImageThumbnail, takeSearchImage } from '#lib/server/features/search-image.ts';
import { embedder } from '#lib/server/media/embedder.ts';
import { nearestClips, vectorOfClip } from '#lib/server/stores/embeddings.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { importFilm, startWorker, stopWorker } from '../support/worker.ts';

let env: TestEnvironment;
let ann: Actor;
let worker: ChildProcess;
let videoId: number;
const modelDir = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'model-'));

/** Runs `npm run model` from one folder into another. */
function fetchModel(from: string, to: string, description: string): string {
  return execFileSync(process.execPath, ['scripts/model.js', '--from', from, '--to', to, '--description', description], {
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

beforeAll(async () => {
  const source = path.join(modelDir, 'source');
  execFileSync(process.env.HEATERS_PYTHON ?? 'python3', ['python/tests/small_model.py', source]);
  process.env.MODEL_DIR = path.join(modelDir, 'installed');
  fetchModel(source, process.env.MODEL_DIR, path.join(source, 'model.json'));
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  worker = startWorker();
  // A black box in another corner of each: cuts that anyone sees, whatever the colours.
  const shot = (color: string, x: number, y: number, label: string) =>
    `color=c=${color}:s=320x180:r=25:d=2,drawbox=${x}:${y}:130:80:black:fill,noise=alls=12:allf=t[${label}]`;
  const film = `${shot('red', 5, 5, 'a')};${shot('blue', 180, 90, 'b')};${shot('lime', 180, 5, 'c')};${shot('0x700000', 5, 90, 'd')}`;
  videoId = await importFilm(env, ann, `${film};[a][b][c][d]concat=n=4`);
  await vi.waitFor(async () => expect((await searchPage(env.sql)).coverage).toEqual({ clipCount: 4, embeddedCount: 4 }), {
    timeout: 55_000,
    interval: 200,
  });
});
afterAll(async () => {
  embedder().stop();
  await stopWorker(worker);
  await env.close();
  rmSync(modelDir, { recursive: true, force: true });
});

async function find(query: string): Promise<readonly SearchHit[]> {
  const answer = await searchClips(env.sql, parseSearch(new URLSearchParams(query)), null);
  if (answer.kind === 'refused') throw new Error(answer.message);
  return answer.hits;
}
const beginnings = async (query: string) => (await find(query)).map((hit) => hit.clip.startFrame);

describe('search by meaning', () => {
  it('finds the clip that a text describes first', async () => {
    expect((await beginnings('q=red'))[0]).toBe(0);
    expect((await beginnings('q=a+green+thing'))[0]).toBe(100);
    expect((await beginnings('q=Blue'))[0]).toBe(50);
  });

  it('finds more like a clip, which is not itself among them', async () => {
    const [red] = await find('q=red');
    const hits = await find(`like=${red!.clip.id}`);
    expect(hits.map((hit) => hit.clip.startFrame)).not.toContain(0);
    // Dark red is nearer to red than green and blue are.
    expect(hits[0]!.clip.startFrame).toBe(150);
    expect(hits[0]!.likenessPercent).toBeGreaterThan(hits[1]!.likenessPercent!);
  });

  it('combines with filters, and without a text gives all that pass them, newest first', async () => {
    const [blue] = await find('q=blue');
    const { id: clipId, version } = blue!.clip;
    await reviewClip(env.sql, ann, { commandId: crypto.randomUUID(), clipId, version, kind: 'approve' });
    expect(await beginnings('q=red&state=approved')).toEqual([50]);
    expect(await beginnings(`state=approved&reviewerId=${ann.userId}`)).toEqual([50]);
    expect(await beginnings('state=approved&to=2001-01-01')).toEqual([]);
    expect(await beginnings('minSeconds=2.5')).toEqual([]);
    expect(await beginnings(`videoId=${videoId}&maxSeconds=2`)).toEqual([150, 100, 50, 0]);
    expect(await beginnings('state=rubbish&videoId=-1&stars=9&from=never')).toHaveLength(4);
  });

  it('finds by an image, and takes nothing else for one', async () => {
    const { sql, dataDir } = env;
    const ffmpegImage = (source: string, name: string, options: readonly string[] = []) => {
      const file = path.join(dataDir, name);
      execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', [
        '-loglevel',
        'error',
        '-f',
        'lavfi',
        '-i',
        source,
        '-frames:v',
        '1',
        ...options,
        file,
      ]);
      return readFileSync(file);
    };
    for (const [color, name, frame] of [
      ['0x1030e0', 'a.jpg', 50],
      ['0xe01010', 'b.png', 0],
      ['0x20e020', 'c.webp', 100],
    ] as const) {
      const taken = await takeSearchImage(sql, ffmpegImage(`color=c=${color}:s=640x480`, name));
      if (taken.kind !== 'ok') throw new Error(taken.message);
      expect((await beginnings(`image=${taken.id}`))[0]).toBe(frame);
      expect((await searchImageThumbnail(sql, taken.id))?.subarray(8, 12)).toEqual(Buffer.from('WEBP'));
      expect(await takeSearchImage(sql, readFileSync(path.join(dataDir, name)))).toEqual(taken);
      // The text goes first, and filters hold.
      expect((await beginnings(`q=red&image=${taken.id}`))[0]).toBe(0);
      expect(await beginnings(`image=${taken.id}&minSeconds=9`)).toEqual([]);
    }
    const bomb = ffmpegImage('color=c=black:s=9000x9000', 'bomb.png');
    expect(bomb.length).toBeLessThan(MAX_SEARCH_IMAGE_BYTES);
    const truncated = ffmpegImage('testsrc2=s=320x240', 'whole.png').subarray(0, 60);
    const gif = ffmpegImage('color=c=red:s=64x64', 'a.gif');
    for (const [bytes, words] of [
      [bomb, /too many pixels/],
      [new Uint8Array(MAX_SEARCH_IMAGE_BYTES + 1), /too large/],
      [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="5" height="5"/>'), /no image/],
      [gif, /no image/],
      [Buffer.alloc(0), /no image/],
      [truncated, /can’t be read/],
    ] as const) {
      expect(await takeSearchImage(sql, bytes)).toEqual({ kind: 'refused', message: expect.stringMatching(words) });
    }
    // Whatever was sent, the model's process goes on.
    expect((await beginnings('q=red'))[0]).toBe(0);
    await sql`update search_images set expires_at = now() - interval '1 minute'`;
    await sweep(sql);
    expect(await searchClips(sql, parseSearch(new URLSearchParams(`image=${'0'.repeat(32)}`)), null)).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/choose it again/),
    });
    expect(await sql`select 1 from search_images`).toHaveLength(0);
  });

  it('orders by meaning among the clips that have a colour', async () => {
    await vi.waitFor(async () => expect(await beginnings('color=e01010')).toEqual([0, 150]), { timeout: 30_000, interval: 200 });
    expect((await beginnings('q=dark&color=e01010'))[0]).toBe(150);
    expect(await beginnings('q=blue&color=e01010')).not.toContain(50);
  });

  it('gives by its index what it gives by comparing all, page by page', async () => {
    const [model] = await env.sql<{ id: number; dimensions: number }[]>`select id, dimensions from embedding_models`;
    const [red] = await find('q=red');
    const vector = await vectorOfClip(env.sql, model!.id, red!.clip.id);
    const filters = parseSearch(new URLSearchParams());
    const pages = async (exactMost: number) => {
      const ids: number[] = [];
      let after = null;
      for (;;) {
        const found: Awaited<ReturnType<typeof nearestClips>> = await nearestClips(env.sql, {
          ...{ model: model!, vector: vector!, filters, sessionId: null, exceptClipId: null, after, limit: 3, exactMost },
        });
        ids.push(...found.map((hit) => hit.clipId));
        const last = found.at(-1);
        if (found.length < 3 || last === undefined) return ids;
        after = last;
      }
    };
    expect(await pages(0)).toEqual(await pages(1_000));
    expect(await pages(0)).toHaveLength(4);
    const indexes = await env.sql`select 1 from pg_indexes where indexname = ${`clip_embeddings_near_${model!.id}`}`;
    expect(indexes).toHaveLength(1);
  });

  it('makes a clip’s vector anew when its frames change, and what a lost job has left out', async () => {
    const [green] = await find('q=green');
    const { id: clipId, version } = green!.clip;
    await reviewClip(env.sql, ann, { commandId: crypto.randomUUID(), clipId, version, kind: 'split', atFrame: 120 });
    const isWhole = async () => expect((await searchPage(env.sql)).coverage).toEqual({ clipCount: 5, embeddedCount: 5 });
    await vi.waitFor(isWhole, { timeout: 40_000, interval: 200 });
    expect((await beginnings('q=green')).slice(0, 2).sort()).toEqual([100, 120]);
    await env.sql`delete from clip_embeddings where clip_id <> ${clipId}`;
    await dispatch(env.sql);
    await vi.waitFor(isWhole, { timeout: 40_000, interval: 200 });
  });

  it('answers again after its process has died', async () => {
    expect((await beginnings('q=red'))[0]).toBe(0);
    embedder().stop();
    await vi.waitFor(async () => expect((await beginnings('q=blue'))[0]).toBe(50), { timeout: 20_000 });
  });

  it('says what is wrong with a model that has been damaged, and looks on by filters', async () => {
    const tokenizer = path.join(process.env.MODEL_DIR ?? '', 'tokenizer.json');
    const whole = readFileSync(tokenizer);
    embedder().stop();
    writeFileSync(tokenizer, 'rubbish');
    const search = (query: string) => searchClips(env.sql, parseSearch(new URLSearchParams(query)), null);
    await vi.waitFor(
      async () =>
        expect(await search('q=red')).toEqual({
          kind: 'refused',
          message: expect.stringMatching(/tokenizer is not the one.*npm run model/),
        }),
      { timeout: 20_000 },
    );
    expect(await search('state=approved')).toMatchObject({ kind: 'ok', hits: [{ clip: { startFrame: 50 } }] });
    writeFileSync(tokenizer, whole);
    expect((await beginnings('q=red'))[0]).toBe(0);
    expect(await searchClips(env.sql, parseSearch(new URLSearchParams()), 'rubbish')).toMatchObject({ kind: 'refused' });
  });

  it('refuses a file that is not the one that its hash names, and keeps none of it', () => {
    const source = path.join(modelDir, 'source');
    const description = path.join(modelDir, 'wrong.json');
    const wrong = JSON.parse(readFileSync(path.join(source, 'model.json'), 'utf8')) as { files: { text: { sha256: string } } };
    wrong.files.text.sha256 = '0'.repeat(64);
    writeFileSync(description, JSON.stringify(wrong));
    expect(() => fetchModel(source, path.join(modelDir, 'refused'), description)).toThrow(
      /text\.onnx .* is not the file that it should be/,
    );
    expect(() => fetchModel(path.join(modelDir, 'nowhere'), path.join(modelDir, 'none'), description)).toThrow(/could not be fetched/);
  });
});
