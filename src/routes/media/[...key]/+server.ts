import { requireUser } from '#lib/server/auth/guards.ts';
import { mediaResponse } from '#lib/server/storage/serve-media.ts';
import type { RequestHandler } from './$types';

/** The local CDN: signed URLs of people who are logged in. */
export const GET: RequestHandler = (event) => {
  requireUser(event);
  return mediaResponse(event.request, event.url);
};
export const HEAD = GET;
