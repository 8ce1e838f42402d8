import * as v from 'valibot';
import { FfmpegUsageSchema } from '#lib/server/telemetry/ffmpeg-usage.ts';

/** A call as one JSON line on the stdin of its process. */
export const CallSchema = v.object({
  task: v.string(),
  version: v.number(),
  attemptId: v.string(),
  input: v.unknown(),
  /** W3C trace context of the runner's span, and the ids that its log lines bear. */
  traceparent: v.optional(v.string()),
  logFields: v.record(v.string(), v.union([v.string(), v.number()])),
});
export type Call = v.InferOutput<typeof CallSchema>;

const nullableNumber = v.nullable(v.number());

/** What the process of a call says, one JSON line each on stdout; `result` or `error` comes last. */
export const CallMessageSchema = v.variant('type', [
  v.object({ type: v.literal('progress'), percent: nullableNumber, fps: nullableNumber, etaMs: nullableNumber }),
  /** What it has used; comes before the result or error. */
  v.object({ type: v.literal('usage'), ffmpeg: FfmpegUsageSchema }),
  v.object({ type: v.literal('result'), output: v.unknown() }),
  v.object({ type: v.literal('error'), isRefusal: v.boolean(), message: v.string() }),
]);
export type CallMessage = v.InferOutput<typeof CallMessageSchema>;
