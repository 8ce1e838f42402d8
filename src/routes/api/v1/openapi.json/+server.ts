import { json } from '@sveltejs/kit';
import { openApiDocument } from '#lib/server/api/openapi.ts';
import type { RequestHandler } from './$types';

/** The OpenAPI document. It tells nothing about this library, so it needs no token. */
export const GET: RequestHandler = () => json(openApiDocument(), { headers: { 'cache-control': 'public, max-age=300' } });
