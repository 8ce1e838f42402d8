import { error, json } from '@sveltejs/kit';
import * as v from 'valibot';
import { actorOf, assertSameOrigin, requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { obeyQueueCommand } from '#lib/server/features/steer-queues.ts';
import { log } from '#lib/server/log.ts';
import { QueueCommandSchema } from '#lib/live/job-views.ts';
import type { RequestHandler } from './$types';

/** Does something to jobs or queues. */
export const POST: RequestHandler = async (event) => {
  assertSameOrigin(event);
  const admin = requireRole(event, 'admin');
  const command = v.safeParse(QueueCommandSchema, await event.request.json().catch(() => null));
  if (!command.success) error(400, 'The server does not understand this: reload the page.');
  const reply = await obeyQueueCommand(db(), actorOf(admin), command.output);
  log.info({ requestId: event.locals.requestId, actorId: admin.id, command: command.output.kind, outcome: reply.kind }, 'queues steered');
  return json(reply);
};
