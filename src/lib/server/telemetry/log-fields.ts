import { AsyncLocalStorage } from 'node:async_hooks';
import { trace } from '@opentelemetry/api';

/** Ids that say what a line of the log is about, such as `requestId`, `jobId`, `videoId`. */
export type LogFields = Readonly<Record<string, string | number | null | undefined>>;

const storage = new AsyncLocalStorage<LogFields>();

/** Does `work` so that every line that it logs, however deep, has these ids beside those from around it. */
export function withLogFields<T>(fields: LogFields, work: () => T): T {
  return storage.run({ ...storage.getStore(), ...fields }, work);
}

/** The ids of what is being done now, with those of the trace where there is one. */
export function logFields(): LogFields {
  const span = trace.getActiveSpan()?.spanContext();
  return span === undefined || !trace.isSpanContextValid(span)
    ? { ...storage.getStore() }
    : { ...storage.getStore(), traceId: span.traceId, spanId: span.spanId };
}

/** One of the ids of what is being done now. */
export function logField(name: string): string | number | undefined {
  return storage.getStore()?.[name] ?? undefined;
}
