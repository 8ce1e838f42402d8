import { destination, pino, stdSerializers } from 'pino';
import { withoutUrls } from '#lib/core/without-urls.ts';
import { logFields } from '#lib/server/telemetry/log-fields.ts';

/**
 * The process's logger, to stderr: stdout belongs to runners' messages. Each line has the ids of what is being done
 * (`withLogFields`); what is known only in one place is given with the line.
 */
export const log = pino(
  {
    level: process.env.LOG_LEVEL ?? 'info',
    base: { role: process.env.HEATERS_ROLE ?? 'heaters' },
    redact: ['password', 'token', 'cookie', 'url', '*.password', '*.token', '*.cookie', 'headers'],
    mixin: logFields,
    serializers: {
      err: (error: unknown) => (error instanceof Error ? withoutSignedUrls(stdSerializers.err(error)) : error),
    },
  },
  destination({ dest: 2, sync: true }),
);

/** An error as it is logged, its texts without URLs: a signed one opens what it names. */
function withoutSignedUrls(error: ReturnType<typeof stdSerializers.err>) {
  return { ...error, message: withoutUrls(error.message), stack: withoutUrls(error.stack) };
}
