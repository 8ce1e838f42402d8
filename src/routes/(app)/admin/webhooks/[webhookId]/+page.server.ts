import { error, fail, redirect, type RequestEvent } from '@sveltejs/kit';
import { toId } from '#lib/server/auth/forms.ts';
import { actorOf, requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import type { Outcome } from '#lib/server/features/manage-video.ts';
import * as webhooks from '#lib/server/features/manage-webhooks.ts';
import { latestSeq } from '#lib/server/stores/outbox.ts';
import { readWebhookForm } from '#lib/server/webhooks/form.ts';
import type { Actions, PageServerLoad } from './$types';

/** A webhook with its secret and the latest of its log. */
export const load: PageServerLoad = async (event) => {
  requireRole(event, 'admin');
  event.depends('app:webhooks');
  const webhookId = toId(event.params.webhookId);
  const seq = await latestSeq(db(), 'system');
  const webhook = await webhooks.webhookView(db(), webhookId);
  if (webhook === null) error(404, 'There is no such webhook.');
  const [secret, deliveries] = await Promise.all([webhooks.webhookSecret(db(), webhookId), webhooks.webhookLog(db(), webhookId)]);
  return { webhook, secret: secret ?? '', deliveries, seq, logLength: webhooks.LOG_LENGTH };
};

/** Carries out what an admin asks of the webhook of the page. */
function action(run: (admin: ReturnType<typeof actorOf>, webhookId: number, form: FormData) => Promise<Outcome>) {
  return async (event: RequestEvent) => {
    const user = requireRole(event, 'admin');
    const outcome = await run(actorOf(user), toId(event.params['webhookId']), await event.request.formData());
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  };
}

export const actions: Actions = {
  ping: action((_admin, webhookId) => webhooks.pingWebhook(db(), webhookId)),
  change: action(async (admin, webhookId, form) => {
    const read = readWebhookForm(form);
    return read.kind === 'refused' ? read : webhooks.changeWebhook(db(), admin, webhookId, read.wish);
  }),
  rotate: action((admin, webhookId) => webhooks.rotateSecret(db(), admin, webhookId)),
  enable: action((admin, webhookId) => webhooks.changeWebhook(db(), admin, webhookId, { isEnabled: true })),
  disable: action((admin, webhookId) => webhooks.changeWebhook(db(), admin, webhookId, { isEnabled: false })),
  resend: action((_admin, webhookId, form) => webhooks.resendDelivery(db(), webhookId, toId(form.get('deliveryId')))),
  remove: async (event) => {
    const user = requireRole(event, 'admin');
    await webhooks.removeWebhook(db(), actorOf(user), toId(event.params.webhookId));
    redirect(303, '/admin/webhooks');
  },
};
