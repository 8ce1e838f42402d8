import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseSearch, type SearchHit } from '#lib/live/search.ts';
import { dispatch } from '#lib/jobs/dispatch.server.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import { searchClips } from '#lib/server/features/search-clips.ts';
import { takeSearchImage } from '#lib/server/features/search-image.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { importFilm, startWorker, stopWorker } from '../support/worker.ts';

let env: TestEnvironment;
let ann: Actor;
let worker: ChildProcess;

beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  worker = startWorker();
  // A colour for each shot, with a box of another one that covers a part of it.
  const shot = (color: string, box: string, label: string, x = 0) =>
    `color=c=${color}:s=320x180:r=25:d=2,drawbox=${x}:0:96:180:${box}:fill,noise=alls=8:allf=t[${label}]`;
  const film = [
    shot('0xc83030', '0x2040c0', 'a'),
    shot('0x2040c0', 'white', 'b', 220),
    shot('0x3c8c3c', '0xc83030', 'c'),
    shot('0x808080', '0x801010', 'd', 220),
  ].join(';');
  await importFilm(env, ann, `${film};[a][b][c][d]concat=n=4`);
  await vi.waitFor(async () => expect(await find('color=808080')).not.toEqual([]), { timeout: 55_000, interval: 200 });
});
afterAll(async () => {
  await stopWorker(worker);
  await env.close();
});

async function find(query: string): Promise<readonly SearchHit[]> {
  const answer = await searchClips(env.sql, parseSearch(new URLSearchParams(query)), null);
  if (answer.kind === 'refused') throw new Error(answer.message);
  return answer.hits;
}
const beginnings = async (query: string) => (await find(query)).map((hit) => hit.clip.startFrame);

describe('search without a model', () => {
  it('finds by colour: the clip with most of it first, shades of it after the colour itself', async () => {
    expect(await beginnings('color=c83030')).toEqual([0, 100, 150]);
    expect(await beginnings('color=2040c0')).toEqual([50, 0]);
    expect(await beginnings('color=30a030')).toEqual([100]);
    expect(await beginnings('color=ff00ff')).toEqual([]);
    const [most] = await find('color=2040c0');
    // Seven tenths of the second shot are blue, and compression bleeds a little.
    expect(most!.likenessPercent).toBeGreaterThan(60);
    expect(most!.likenessPercent).toBeLessThan(75);
    expect(most!.palette[0]!.color).toMatch(/^#[12]/);
  });

  it('combines colours with filters', async () => {
    const [green] = await find('color=3c8c3c');
    const { id: clipId, version } = green!.clip;
    await reviewClip(env.sql, ann, { commandId: crypto.randomUUID(), clipId, version, kind: 'approve' });
    expect(await beginnings('color=c83030&state=approved')).toEqual([100]);
    expect(await beginnings('color=c83030&state=pending')).toEqual([0, 150]);
  });

  it('says of a text and an image that there is no model', async () => {
    expect(await searchClips(env.sql, parseSearch(new URLSearchParams('q=red')), null)).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/no model.*npm run model/),
    });
    expect(await takeSearchImage(env.sql, Buffer.from('anything'))).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/no model/),
    });
  });

  it('finds colours anew where a cut was moved or they are missing', async () => {
    const [blue] = await find('color=2040c0');
    const { id: clipId, version } = blue!.clip;
    await reviewClip(env.sql, ann, { commandId: crypto.randomUUID(), clipId, version, kind: 'split', atFrame: 75 });
    await vi.waitFor(async () => expect((await beginnings('color=2040c0')).slice(0, 2).sort()).toEqual([50, 75]), {
      timeout: 40_000,
      interval: 200,
    });
    await env.sql`delete from clip_colors`;
    await dispatch(env.sql);
    await vi.waitFor(async () => expect(await beginnings('color=2040c0')).toHaveLength(3), { timeout: 40_000, interval: 200 });
  });
});
