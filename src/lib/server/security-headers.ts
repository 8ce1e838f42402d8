/** A year, in seconds. */
const HSTS_SECONDS = 31_536_000;

/** The headers of every answer, whatever gives it: pages, endpoints, uploads, files of the build. The policy for scripts is in svelte.config.js. */
export function securityHeaders(origin: string): Readonly<Record<string, string>> {
  return {
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    // Paths can hold one-time tokens: they go to no other site.
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
    ...(origin.startsWith('https:') ? { 'strict-transport-security': `max-age=${HSTS_SECONDS}` } : {}),
  };
}
