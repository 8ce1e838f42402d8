/**
 * Nearest clips among many: `npm run bench -- search [--vectors 100000] [--queries 50] [--keep NAME]`.
 *
 * A million take long to make: `--keep` fills a database of this name on the server that TEST_DATABASE_URL names, and
 * measures it again when it is there.
 *
 * Vectors are made by a seed, in clusters as films have them, with CLIP's 512 dimensions. Beside what a search of the app
 * gives stands plain pgvector on the same index, with its default settings; the truth is the comparison of all.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { connect, type Database } from '../src/lib/server/db.ts';
import { ensureIndex, nearestClips, registerModel, type StoredModel } from '../src/lib/server/stores/embeddings.ts';
import { parseSearch } from '../src/lib/live/search.ts';
import { createTestDatabase } from '../tests/support/database.ts';
import { percentile } from './support.ts';

const DIMENSIONS = 512;
const CLIPS_PER_VIDEO = 100;
const CLIPS_PER_CLUSTER = 200;
/** How far a clip lies from the middle of its cluster, of which the length is 1. */
const SPREAD = 0.6;
const NEAREST = 10;

/** Runs the bench; `args` are what follows its name on the command line. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { vectors: { type: 'string', default: '100000' }, queries: { type: 'string', default: '50' }, keep: { type: 'string' } },
  });
  const [vectorCount, queryCount] = [Number(values.vectors), Number(values.queries)];
  const database = await openDatabase(values.keep);
  const sql = connect(database.url, 3);
  try {
    const name = new URL(database.url).pathname.slice(1);
    await sql.unsafe(`alter database ${name} set maintenance_work_mem = '4GB'`);
    const next = gaussian(mulberry32(7));
    const centres = Array.from({ length: Math.ceil(vectorCount / CLIPS_PER_CLUSTER) }, () => around(null, next));
    const model = await registerModel(sql, { name: 'synthetic', version: '1', dimensions: DIMENSIONS });
    const [filled] = await sql<{ count: number }[]>`select count(*)::int as count from clip_embeddings`;
    if (filled!.count === 0) await fill(sql, model, vectorCount, (index) => around(centres[index % centres.length]!, next));
    else if (filled!.count !== vectorCount) throw new Error(`There are ${filled!.count} vectors in it already: name another database.`);
    const builder = connect(database.url, 2);
    const beganMs = performance.now();
    await ensureIndex(builder, model);
    const buildSeconds = Math.round((performance.now() - beganMs) / 100) / 10;
    await builder.end();
    await sql`analyze`;
    const queries = Array.from({ length: queryCount }, (_, index) => around(centres[(index * 31) % centres.length]!, next));
    const whole = await measure(sql, model, queries, null);
    const filtered = await measure(sql, model, queries, 'rare');
    console.table({
      'Heaters, all': whole.ours,
      'Heaters, 1 % filter': filtered.ours,
      'plain pgvector, all': whole.plain,
      'plain pgvector, 1 % filter': filtered.plain,
    });
    const figures = {
      vectors: vectorCount,
      ...{ buildSeconds, recallAt10: whole.ours.recall, p50Ms: whole.ours.p50Ms, p95Ms: whole.ours.p95Ms },
      ...{ filteredRecallAt10: filtered.ours.recall, filteredP50Ms: filtered.ours.p50Ms, filteredP95Ms: filtered.ours.p95Ms },
      ...{ defaultRecallAt10: whole.plain.recall, defaultP95Ms: whole.plain.p95Ms },
      ...{ defaultFilteredRecallAt10: filtered.plain.recall, defaultFilteredP95Ms: filtered.plain.p95Ms },
    };
    console.log(JSON.stringify(figures));
  } finally {
    await sql.end();
    await database.drop();
  }
}

/** A database that goes with the bench, or with a name one that stays. */
async function openDatabase(name: string | undefined): Promise<{ url: string; drop: () => Promise<void> }> {
  const adminUrl = process.env.TEST_DATABASE_URL;
  if (name === undefined || adminUrl === undefined) return createTestDatabase();
  const admin = connect(adminUrl, 1);
  const isThere = (await admin`select 1 from pg_database where datname = ${name}`).length > 0;
  if (!isThere) await admin.unsafe(`alter database ${new URL((await createTestDatabase()).url).pathname.slice(1)} rename to ${name}`);
  await admin.end();
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => Promise.resolve() };
}

async function measure(sql: Database, model: StoredModel, queries: readonly number[][], tag: string | null) {
  const filters = parseSearch(new URLSearchParams(tag === null ? {} : { tag }));
  const type = `halfvec(${DIMENSIONS})`;
  const plain = (vector: readonly number[]) => `
    select e.clip_id as id from clip_embeddings e ${tag === null ? '' : `join clip_tags t on t.clip_id = e.clip_id and t.tag = '${tag}'`}
    where e.model_id = ${model.id} order by e.embedding::${type} <=> '[${vector.join(',')}]'::${type} limit ${NEAREST}`;
  const idsOf = (rows: readonly { id?: number }[]) => rows.map((row) => Number(row.id));
  const results = { ours: { hits: 0, ms: [] as number[] }, plain: { hits: 0, ms: [] as number[] } };
  for (const vector of queries) {
    const truth = (await sql.begin(async (tx) => {
      await tx`set local enable_indexscan = off`;
      return idsOf(await tx.unsafe(plain(vector)));
    })) as number[];
    const note = async (to: { hits: number; ms: number[] }, ask: () => Promise<number[]>) => {
      // The first time reads what the second finds in memory, for either.
      await ask();
      const beganMs = performance.now();
      const found = await ask();
      to.ms.push(performance.now() - beganMs);
      to.hits += truth.filter((id) => found.includes(id)).length / truth.length;
    };
    await note(results.ours, async () =>
      (await nearestClips(sql, { model, vector, filters, sessionId: null, exceptClipId: null, after: null, limit: NEAREST })).map(
        (hit) => hit.clipId,
      ),
    );
    await note(results.plain, async () => idsOf(await sql.unsafe(plain(vector))));
  }
  const figures = ({ hits, ms }: { hits: number; ms: number[] }) => ({
    recall: Math.round((1000 * hits) / queries.length) / 1000,
    p50Ms: percentile(ms, 0.5),
    p95Ms: percentile(ms, 0.95),
  });
  return { ours: figures(results.ours), plain: figures(results.plain) };
}

/** Puts in videos, clips and their vectors; every hundredth clip has the tag `rare`. */
async function fill(sql: Database, model: StoredModel, count: number, vectorOf: (index: number) => number[]): Promise<void> {
  await sql.begin(async (tx) => {
    // The rules of clips hold by how they are made here; to check each of a million takes hours.
    await tx`set local session_replication_role = replica`;
    await tx`
      insert into videos (title, file_name, state, frame_count, frame_rate_num, frame_rate_den)
      select 'Film ' || n, 'film.mp4', 'ready', ${CLIPS_PER_VIDEO * 100}, 25, 1 from generate_series(1, ${Math.ceil(count / CLIPS_PER_VIDEO)}::int) n`;
    await tx`
      insert into clips (video_id, start_frame, end_frame)
      select n / ${CLIPS_PER_VIDEO}::int + 1, n % ${CLIPS_PER_VIDEO}::int * 100, n % ${CLIPS_PER_VIDEO}::int * 100 + 100
      from generate_series(0, ${count - 1}::int) n`;
    await tx`insert into clip_tags (clip_id, tag) select id, 'rare' from clips where id % 100 = 7`;
    const stream = await tx`
      copy clip_embeddings (clip_id, model_id, video_id, start_frame, end_frame, strategy, embedding) from stdin`.writable();
    for (let index = 0; index < count; index += 1) {
      const start = (index % CLIPS_PER_VIDEO) * 100;
      const facts = [index + 1, model.id, Math.floor(index / CLIPS_PER_VIDEO) + 1, start, start + 100, 'synthetic'];
      if (!stream.write(`${facts.join('\t')}\t[${vectorOf(index).join(',')}]\n`)) await once(stream, 'drain');
    }
    stream.end();
    await once(stream, 'finish');
  });
}

/** A unit vector near another, or anywhere. Four digits: half precision has no more. */
function around(centre: readonly number[] | null, next: () => number): number[] {
  const noise = Array.from({ length: DIMENSIONS }, next);
  const scale = (centre === null ? 1 : SPREAD) / Math.hypot(...noise);
  const vector = noise.map((value, index) => value * scale + (centre?.[index] ?? 0));
  const length = Math.hypot(...vector);
  return vector.map((value) => Math.round((10_000 * value) / length) / 10_000);
}

/** Normally distributed numbers: Box and Muller, “A Note on the Generation of Random Normal Deviates” (1958). */
function gaussian(random: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Numbers from 0 to 1 that the same seed repeats: Tommy Ettinger's Mulberry32. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
