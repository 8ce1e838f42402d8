import * as v from 'valibot';

const count = v.pipe(v.number(), v.minValue(0));
/** Runs of ffmpeg by how they ended, and how long they took together. */
export const FfmpegUsageSchema = v.object({ done: count, failed: count, stopped: count, ms: count });
export type FfmpegUsage = v.InferOutput<typeof FfmpegUsageSchema>;

const total: { -readonly [Name in keyof FfmpegUsage]: number } = { done: 0, failed: 0, stopped: 0, ms: 0 };

/** Counts a run of ffmpeg in this process. */
export function countFfmpeg(outcome: 'done' | 'failed' | 'stopped', durationMs: number): void {
  total[outcome] += 1;
  total.ms += durationMs;
}

/** Counts what another process has used for this one: the process of a call ends with its call. */
export function addFfmpegUsage(usage: FfmpegUsage): void {
  for (const name of Object.keys(total) as (keyof FfmpegUsage)[]) total[name] += usage[name];
}

/** What this process has used since it began. */
export function ffmpegUsage(): FfmpegUsage {
  return { ...total };
}
