import { destination, multistream, pino, stdSerializers } from 'pino';
import { withoutUrls } from '#lib/core/without-urls.ts';
import { logFields } from '#lib/server/telemetry/log-fields.ts';

const level = process.env.LOG_LEVEL ?? 'info';
const taps = new Set<(line: string) => void>();

/**
 * The process's logger, to stderr: stdout belongs to runners' messages. Each line has the ids of what is being done
 * (`withLogFields`); what is known only in one place is given with the line.
 */
export const log = pino(
  {
    // Taps hear more than what is printed.
    level: level === 'debug' ? 'debug' : 'info',
    base: { role: process.env.HEATERS_ROLE ?? 'heaters' },
    redact: ['password', 'token', 'cookie', 'url', '*.password', '*.token', '*.cookie', 'headers'],
    mixin: logFields,
    serializers: {
      err: (error: unknown) => (error instanceof Error ? withoutSignedUrls(stdSerializers.err(error)) : error),
    },
  },
  multistream([
    { level: level === 'silent' ? Infinity : (level as pino.Level), stream: destination({ dest: 2, sync: true }) },
    { level: 'info', stream: { write: (line: string) => taps.forEach((tap) => tap(line)) } },
  ]),
);

/** Hears each line that is logged, as JSON, from level info on, whatever `LOG_LEVEL` prints. Gives the function that ends it. */
export function tapLog(tap: (line: string) => void): () => void {
  taps.add(tap);
  return () => taps.delete(tap);
}

/** An error as it is logged, its texts without URLs: a signed one opens what it names. */
function withoutSignedUrls(error: ReturnType<typeof stdSerializers.err>) {
  return { ...error, message: withoutUrls(error.message), stack: withoutUrls(error.stack) };
}
