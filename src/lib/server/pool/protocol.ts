import * as v from 'valibot';

/** A call as one JSON line on the runner's stdin. */
export const CallSchema = v.object({ task: v.string(), version: v.number(), input: v.unknown() });

const nullableNumber = v.nullable(v.number());

/** What a runner says, one JSON line each on stdout; `result` or `error` comes last. */
export const RunnerMessageSchema = v.variant('type', [
  v.object({ type: v.literal('progress'), percent: nullableNumber, fps: nullableNumber, etaMs: nullableNumber }),
  v.object({ type: v.literal('result'), output: v.unknown() }),
  v.object({ type: v.literal('error'), isRefusal: v.boolean(), message: v.string() }),
]);
export type RunnerMessage = v.InferOutput<typeof RunnerMessageSchema>;
