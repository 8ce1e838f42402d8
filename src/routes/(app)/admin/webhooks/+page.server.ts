import { fail, redirect } from '@sveltejs/kit';
import { actorOf, requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { latestSeq } from '#lib/server/stores/outbox.ts';
import { createWebhook, listWebhooks } from '#lib/server/features/manage-webhooks.ts';
import { readWebhookForm } from '#lib/server/webhooks/form.ts';
import type { Actions, PageServerLoad } from './$types';

/** All webhooks, as of event `seq` of topic `system`. */
export const load: PageServerLoad = async (event) => {
  requireRole(event, 'admin');
  event.depends('app:webhooks');
  const seq = await latestSeq(db(), 'system');
  return { webhooks: await listWebhooks(db()), seq };
};

export const actions: Actions = {
  create: async (event) => {
    const user = requireRole(event, 'admin');
    const read = readWebhookForm(await event.request.formData());
    if (read.kind === 'refused') return fail(400, { message: read.message });
    const outcome = await createWebhook(db(), actorOf(user), read.wish);
    if (outcome.kind === 'refused') return fail(400, { message: outcome.message });
    redirect(303, `/admin/webhooks/${outcome.webhookId}`);
  },
};
