import * as v from 'valibot';
import { WEBHOOK_EVENT_NAMES } from '#lib/live/webhooks.ts';

const Wish = v.object({
  url: v.pipe(v.string('Give an address.'), v.trim(), v.maxLength(2000)),
  description: v.pipe(v.string('Say what it is for.'), v.trim(), v.maxLength(200)),
  events: v.pipe(v.array(v.picklist(WEBHOOK_EVENT_NAMES)), v.minLength(1, 'Choose at least one event.')),
});

/** Reads the fields of a webhook's form, or says what is wrong with them. */
export function readWebhookForm(
  form: FormData,
): { readonly kind: 'ok'; readonly wish: v.InferOutput<typeof Wish> } | { readonly kind: 'refused'; readonly message: string } {
  const wish = v.safeParse(Wish, { url: form.get('url'), description: form.get('description'), events: form.getAll('event') });
  return wish.success ? { kind: 'ok', wish: wish.output } : { kind: 'refused', message: wish.issues[0].message };
}
