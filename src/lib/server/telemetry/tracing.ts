import { context, propagation, SpanKind, SpanStatusCode, trace, type Attributes } from '@opentelemetry/api';
import { withoutUrls } from '#lib/core/without-urls.ts';

/** What a span is besides its name. */
export interface SpanOptions {
  readonly kind?: keyof typeof SpanKind;
  readonly attributes?: Attributes;
  /** The W3C trace context that it follows from, out of another process; otherwise it is part of the span around it. */
  readonly parent?: string | undefined;
}

const FLUSH_WITHIN_MS = 2_000;
const SEND_EVERY_MS = 1_000;

/**
 * Sends this process's spans by OTLP over HTTP, where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector. Where it does not,
 * nothing of the SDK is loaded and a span costs next to nothing. Gives a function that sends what is left.
 */
export async function startTracing(role: string): Promise<() => Promise<void>> {
  if (!process.env.OTEL_EXPORTER_OTLP_ENDPOINT) return () => Promise.resolve();
  const [sdk, { OTLPTraceExporter }, { AsyncLocalStorageContextManager }, { W3CTraceContextPropagator }, resources] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/core'),
    import('@opentelemetry/resources'),
  ]);
  const exporter = new OTLPTraceExporter();
  const provider = new sdk.TracerProvider({
    resource: resources.resourceFromAttributes({
      'service.name': process.env.OTEL_SERVICE_NAME ?? 'heaters',
      'service.instance.id': process.env.FLY_MACHINE_ID ?? `${process.pid}`,
      'heaters.role': role,
    }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter, scheduledDelayMillis: SEND_EVERY_MS })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return async () => {
    const patience = new Promise((resolve) => setTimeout(resolve, FLUSH_WITHIN_MS).unref());
    await Promise.race([provider.forceFlush().catch(() => undefined), patience]);
  };
}

/** Does `work` as a span: it ends with the work, and is marked failed when that throws. */
export function inSpan<T>(name: string, { kind = 'INTERNAL', attributes = {}, parent }: SpanOptions, work: () => Promise<T>): Promise<T> {
  const around = parent === undefined ? context.active() : propagation.extract(context.active(), { traceparent: parent });
  return trace.getTracer('heaters').startActiveSpan(name, { kind: SpanKind[kind], attributes }, around, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: withoutUrls(error instanceof Error ? error.message : String(error)) });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Adds to the span under way what is known only now. */
export function noteOnSpan(attributes: Attributes): void {
  trace.getActiveSpan()?.setAttributes(attributes);
}

/** The W3C trace context of what is being done now, for another process to follow from; undefined where nothing is traced. */
export function traceparent(): string | undefined {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent;
}
