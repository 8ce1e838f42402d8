import { destination, pino } from 'pino';

/** The process's logger, to stderr: stdout belongs to runners' messages. take a child with request, job, video or clip ids. */
export const log = pino(
  {
    level: process.env.LOG_LEVEL ?? 'info',
    base: { role: process.env.HEATERS_ROLE ?? 'heaters' },
    redact: ['password', 'token', 'cookie', 'url', '*.password', '*.token', '*.cookie', 'headers'],
  },
  destination({ dest: 2, sync: true }),
);
