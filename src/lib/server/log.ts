import { pino } from 'pino';

/** The process's logger; take a child with request, job, video or clip ids. */
export const log = pino({
  level: process.env.LOG_LEVEL ?? 'info',
  redact: ['password', 'token', 'cookie', 'url', '*.password', '*.token', '*.cookie', 'headers'],
});
