import { fail, redirect } from '@sveltejs/kit';
import * as v from 'valibot';
import { readForm } from '#lib/server/auth/forms.ts';
import { actorOf, requireRole, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { libraryPage } from '#lib/server/features/browse-library.ts';
import { createSession, listSessions, type SessionSource } from '#lib/server/features/run-session.ts';
import type { Actions, PageServerLoad } from './$types';

/** The sessions that one takes part in, and what a new one could be over. The layout asks for them anew when they change. */
export const load: PageServerLoad = async (event) => {
  const user = requireUser(event);
  event.depends('app:sessions');
  const [sessions, library] = await Promise.all([listSessions(db(), actorOf(user)), libraryPage(db())]);
  const videos = library.videos.filter((video) => video.state === 'ready').map(({ id, title, clipCounts }) => ({ id, title, clipCounts }));
  return { sessions, videos };
};

const CreateSchema = {
  source: v.picklist(['videos', 'clips', 'pending'], 'Choose what to review.'),
  title: v.optional(v.pipe(v.string(), v.trim(), v.maxLength(200, 'A title can have at most 200 characters.')), ''),
  mode: v.optional(v.picklist(['together', 'divide'], 'Choose how you work.'), 'together'),
  votesNeeded: v.optional(v.pipe(v.string(), v.transform(Number), v.integer(), v.minValue(1), v.maxValue(9)), '1'),
};
const IdsSchema = v.pipe(v.array(v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/), v.transform(Number))), v.maxLength(5_000));

export const actions: Actions = {
  create: async (event) => {
    const user = requireRole(event, 'reviewer');
    const form = await event.request.formData();
    const read = readForm(form, CreateSchema);
    const ids = v.safeParse(IdsSchema, form.getAll('id'));
    if (read.kind === 'invalid') return fail(400, { message: Object.values(read.errors)[0] ?? 'The form is incomplete.' });
    const { source, ...wish } = read.fields;
    if (source !== 'pending' && (!ids.success || ids.output.length === 0)) return fail(400, { message: 'Choose at least one video.' });
    const chosen = ids.success ? ids.output : [];
    const over: SessionSource =
      source === 'pending'
        ? { kind: source }
        : source === 'videos'
          ? { kind: source, videoIds: chosen }
          : { kind: source, clipIds: chosen };
    const outcome = await createSession(db(), actorOf(user), { ...wish, source: over });
    if (outcome.kind === 'refused') return fail(400, { message: outcome.message });
    redirect(303, `/sessions/${outcome.sessionId}`);
  },
};
