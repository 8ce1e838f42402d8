import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spansBetweenCuts } from '#lib/core/cuts.ts';
import { closeDb, connect, type Database } from '#lib/server/db.ts';
import { insertClips } from '#lib/server/stores/clips.ts';
import { insertDetectedCuts } from '#lib/server/stores/cuts.ts';
import { insertVideo } from '#lib/server/stores/imports.ts';
import { setVideoEncoded, setVideoState } from '#lib/server/stores/videos.ts';
import { insertUser } from '#lib/server/stores/users.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import type { Role } from '#lib/live/views.ts';
import { createTestDatabase } from './database.ts';

/** A database and data folder of one's own, known to `config()` of this process. */
export interface TestEnvironment {
  readonly sql: Database;
  readonly dataDir: string;
  addPerson(name: string, role: Role): Promise<Actor>;
  /** Puts in a video that is ready for review, cut at these frames; it has no files. Gives its id. */
  addVideo(createdBy: Actor, frameCount: number, cutFrames: readonly number[]): Promise<number>;
  close(): Promise<void>;
}

const NO_EXTRAS = { audioTrackCount: 0, timecode: null, startTimecodeFrame: 0, isDropFrame: null };

/** Opens a test environment; call it before anything else asks for the configuration. */
export async function openEnvironment(): Promise<TestEnvironment> {
  const database = await createTestDatabase();
  const dataDir = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'data-'));
  Object.assign(process.env, {
    DATABASE_URL: database.url,
    DATA_DIR: dataDir,
    SECRET_KEY_BASE: 'only-for-tests-'.repeat(4),
    ORIGIN: 'http://localhost:3000',
  });
  const sql = connect(database.url, 10);
  return {
    sql,
    dataDir,
    async addPerson(name, role) {
      const user = await insertUser(sql, { email: `${name.toLowerCase()}@example.com`, name, role, passwordHash: null });
      if (user === null) throw new Error(`${name} is there already.`);
      return { userId: user.id, name, role };
    },
    addVideo: (createdBy, frameCount, cutFrames) =>
      sql.begin(async (tx) => {
        const id = await insertVideo(tx, { title: 'Film', fileName: 'film.mp4', sourceUrl: null, createdBy: createdBy.userId });
        await setVideoEncoded(tx, id, {
          ...{ width: 320, height: 180, frameRate: { num: 25, den: 1 }, frameCount, durationMs: frameCount * 40, hasAudio: false },
          source: { container: 'mov', codec: 'h264', width: 320, height: 180, isHdr: false, isInterlaced: false, ...NO_EXTRAS },
          ...{ proxyKey: 'p', masterKey: 'm', thumbnailKey: 't', scenes: null },
        });
        await insertDetectedCuts(
          tx,
          id,
          cutFrames.map((frame) => ({ frame, kind: 'cut', score: 1 })),
        );
        await insertClips(tx, id, spansBetweenCuts([...cutFrames], frameCount));
        await setVideoState(tx, id, 'ready');
        return id;
      }) as Promise<number>,
    async close() {
      await closeDb();
      await sql.end({ timeout: 5 });
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
