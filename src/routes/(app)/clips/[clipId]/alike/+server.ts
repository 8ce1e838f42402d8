import { json } from '@sveltejs/kit';
import * as v from 'valibot';
import { MAX_ALIKE } from '#lib/live/alike.ts';
import { actorOf, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { alikeClips } from '#lib/server/features/decide-alike.ts';
import type { RequestHandler } from './$types';

const id = v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/), v.transform(Number));
const QuerySchema = v.object({
  clipId: v.fallback(id, 0),
  sessionId: v.fallback(v.nullable(id), null),
  limit: v.fallback(v.pipe(v.string(), v.regex(/^[1-9]\d{0,2}$/), v.transform(Number), v.maxValue(MAX_ALIKE)), MAX_ALIKE),
});

/** The clips that are like one, and how each stands: `?limit=9` for a glance, `?sessionId=` in a session. */
export const GET: RequestHandler = async (event) => {
  const user = requireUser(event);
  const { searchParams } = event.url;
  const query = v.parse(QuerySchema, {
    clipId: event.params.clipId,
    sessionId: searchParams.get('sessionId'),
    limit: searchParams.get('limit'),
  });
  return json(await alikeClips(db(), actorOf(user), query));
};
