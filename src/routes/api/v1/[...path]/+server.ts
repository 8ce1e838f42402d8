import { serveApi } from '#lib/server/api/serve.ts';
import { db } from '#lib/server/db.ts';
import type { RequestHandler } from './$types';

/** What programs can do: `src/lib/server/api/operations` has each path, its scope and its handler. Tokens only, no cookies, no other site. */
export const fallback: RequestHandler = ({ request, locals }) => serveApi(db(), request, locals.requestId);
