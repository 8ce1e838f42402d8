import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { withLogFields } from '#lib/server/telemetry/log-fields.ts';
import { httpDuration } from '#lib/server/telemetry/metrics.ts';
import { inSpan, noteOnSpan } from '#lib/server/telemetry/tracing.ts';

type Serve = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

const ROUTE = '/uploads';

/** Serves an upload's request, which never reaches the pages, with what `hooks.server.ts` gives those: an id, a span, a time. */
export function observeUpload(request: IncomingMessage, response: ServerResponse, serve: Serve): Promise<void> {
  const method = request.method ?? '';
  const requestId = randomUUID();
  const { traceparent } = request.headers;
  const span = { kind: 'SERVER', attributes: { requestId, 'http.request.method': method, 'http.route': ROUTE } } as const;
  return withLogFields({ requestId }, () =>
    inSpan(`${method} ${ROUTE}`, { ...span, parent: typeof traceparent === 'string' ? traceparent : undefined }, async () => {
      const end = httpDuration.startTimer({ method, route: ROUTE });
      await serve(request, response).finally(() => end({ status: String(response.statusCode) }));
      noteOnSpan({ 'http.response.status_code': response.statusCode });
    }),
  );
}
