import * as v from 'valibot';
import type { Database } from '#lib/server/db.ts';
import { log, tapLog } from '#lib/server/log.ts';
import { storeLogLines } from '#lib/server/stores/job-attempts.ts';
import { signal } from '#lib/server/stores/outbox.ts';

const FLUSH_MS = 400;
/** When the database is away, the latest lines are worth more than the memory of all. */
const MAX_WAITING = 2_000;
const MAX_JOBS_NAMED = 100;

const Line = v.looseObject({
  level: v.number(),
  time: v.number(),
  msg: v.optional(v.string(), ''),
  jobId: v.string(),
  attemptId: v.number(),
});
const OWN_FIELDS = ['level', 'time', 'msg', 'jobId', 'attemptId', 'pid', 'hostname', 'role'];

/** Stores what jobs log in this process, where their pages show it, until `stop`. A line belongs to a job by its field `attemptId`. */
export function keepJobLog(sql: Database): { stop: () => Promise<void> } {
  let waiting: v.InferOutput<typeof Line>[] = [];
  const endTap = tapLog((text) => {
    if (!text.includes('"attemptId":')) return;
    const line = v.safeParse(Line, JSON.parse(text));
    if (line.success) waiting.push(line.output);
    if (waiting.length > MAX_WAITING) waiting.shift();
  });
  const flush = async () => {
    if (waiting.length === 0) return;
    const lines = waiting;
    waiting = [];
    try {
      await storeLogLines(
        sql,
        lines.map(({ jobId, attemptId, time, level, msg, ...rest }) => ({
          ...{ jobId, attemptId, at: new Date(time).toISOString(), level, message: msg },
          fields: Object.fromEntries(Object.entries(rest).filter(([name]) => !OWN_FIELDS.includes(name))),
        })),
      );
      const jobIds = [...new Set(lines.map(({ jobId }) => jobId))].slice(0, MAX_JOBS_NAMED);
      await signal(sql, { topic: 'queues', type: 'jobs-logged', payload: { jobIds } });
    } catch (error) {
      log.warn({ err: error, lost: lines.length }, 'log lines of jobs were not stored');
    }
  };
  const timer = setInterval(() => void flush(), FLUSH_MS);
  return {
    stop: async () => {
      endTap();
      clearInterval(timer);
      await flush();
    },
  };
}
