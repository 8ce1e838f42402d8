import { fail, redirect } from '@sveltejs/kit';
import * as v from 'valibot';
import { WEBHOOK_EVENT_NAMES } from '#lib/live/webhooks.ts';
import { actorOf, requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { latestSeq } from '#lib/server/stores/outbox.ts';
import { createWebhook, listWebhooks } from '#lib/server/features/manage-webhooks.ts';
import type { Actions, PageServerLoad } from './$types';

/** All webhooks, as of event `seq` of topic `system`. */
export const load: PageServerLoad = async (event) => {
  requireRole(event, 'admin');
  event.depends('app:webhooks');
  const seq = await latestSeq(db(), 'system');
  return { webhooks: await listWebhooks(db()), seq };
};

const Wish = v.object({
  url: v.pipe(v.string(), v.trim(), v.maxLength(2000)),
  description: v.pipe(v.string(), v.trim(), v.maxLength(200)),
  events: v.pipe(v.array(v.picklist(WEBHOOK_EVENT_NAMES)), v.minLength(1, 'Choose at least one event.')),
});

export const actions: Actions = {
  create: async (event) => {
    const user = requireRole(event, 'admin');
    const form = await event.request.formData();
    const wish = v.safeParse(Wish, { url: form.get('url'), description: form.get('description'), events: form.getAll('event') });
    if (!wish.success) return fail(400, { message: wish.issues[0].message });
    const outcome = await createWebhook(db(), actorOf(user), wish.output);
    if (outcome.kind === 'refused') return fail(400, { message: outcome.message });
    redirect(303, `/admin/webhooks/${outcome.webhookId}`);
  },
};
