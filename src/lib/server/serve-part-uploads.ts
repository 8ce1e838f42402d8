import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { FileToUploadSchema, PartToSendSchema } from '#lib/live/part-uploads.ts';
import { db } from '#lib/server/db.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import {
  beginUpload,
  cancelUpload,
  finishUpload,
  signPart,
  uploadOf,
  uploadsOf,
  type UploadAnswer,
} from '#lib/server/features/upload-parts.ts';
import { partUploads } from '#lib/server/storage/object-store.ts';
import { uploadActor } from '#lib/server/upload-actor.ts';

const ROOT = '/uploads/parts';
const MAX_BODY_BYTES = 16_384;
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface Answer {
  readonly status: number;
  /** A text is a sentence for people. */
  readonly body: unknown;
}

const NONE: Answer = { status: 404, body: 'There is no such upload.' };

/** Whether a request is about an upload by parts, and there is a bucket for it. */
export function isPartUploadRequest(request: IncomingMessage): boolean {
  const path = pathOf(request);
  return (path === ROOT || path.startsWith(`${ROOT}/`)) && partUploads() !== null;
}

/**
 * Answers about uploads by parts, in JSON, or with a sentence where something is refused:
 * `GET /uploads/parts` lists the person's unfinished ones, `POST` begins one or goes on with it; of one, at `/uploads/parts/{id}`,
 * `GET` tells how it stands, `DELETE` ends it, `POST …/sign` gives the URL for a part, `POST …/finish` makes it a video.
 */
export async function servePartUploads(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { cookie = null, origin = null, authorization = null } = request.headers;
  const allowed = await uploadActor({ cookie, origin, authorization });
  const { status, body } =
    allowed.kind === 'ok' ? await answerFor(request, allowed.actor) : { status: allowed.status, body: allowed.message };
  const isText = typeof body === 'string';
  response.writeHead(status, { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json', 'cache-control': 'no-store' });
  response.end(isText || body === null ? body : JSON.stringify(body));
}

async function answerFor(request: IncomingMessage, actor: Actor): Promise<Answer> {
  const [id = '', action = '', ...rest] = pathOf(request)
    .slice(ROOT.length + 1)
    .split('/');
  if (rest.length > 0 || (id !== '' && !ID.test(id))) return NONE;
  switch (`${request.method} ${id === '' ? '' : 'one'}${action === '' ? '' : `/${action}`}`) {
    case 'GET ':
      return { status: 200, body: await uploadsOf(db(), actor) };
    case 'POST ': {
      const file = v.safeParse(FileToUploadSchema, await bodyOf(request));
      return file.success
        ? toAnswer(await beginUpload(db(), actor, file.output))
        : { status: 400, body: 'Name the file, its size and its time.' };
    }
    case 'GET one':
      return toAnswer(await uploadOf(db(), actor, id));
    case 'DELETE one': {
      const outcome = await cancelUpload(db(), actor, id);
      return outcome.kind === 'cancelled' ? { status: 204, body: null } : toAnswer(outcome);
    }
    case 'POST one/sign': {
      const part = v.safeParse(PartToSendSchema, await bodyOf(request));
      if (!part.success) return { status: 400, body: 'Name the part and its SHA-256.' };
      const signed = await signPart(db(), actor, id, part.output);
      return signed === null ? NONE : { status: 200, body: signed };
    }
    case 'POST one/finish':
      return toAnswer(await finishUpload(db(), actor, id));
    default:
      return NONE;
  }
}

function toAnswer(answer: UploadAnswer): Answer {
  switch (answer.kind) {
    case 'ok':
      return { status: 200, body: answer.upload };
    case 'none':
      return NONE;
    case 'refused':
      return { status: 422, body: answer.message };
    case 'incomplete':
      return { status: 409, body: answer.message };
  }
}

/** The body as JSON; null for one that is none, or far too long to be meant. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.length > MAX_BODY_BYTES) return null;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0]!.replace(/(?<=.)\/$/, '');
}
