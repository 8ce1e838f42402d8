import * as v from 'valibot';
import type { Transfer, TransferEnd, TransferHooks, TransferLine, UnfinishedUpload } from '#lib/client/transfer.ts';
import { SignedPartSchema, UploadViewSchema, type UploadView } from '#lib/live/part-uploads.ts';

const ENDPOINT = '/uploads/parts';
const PARTS_AT_ONCE = 3;
const TRIES = 4;
const RETRY_MS = 1_000;

/** Files straight to the bucket, by parts: the app signs a URL for each, and has the parts joined at the end. */
export class PartLine implements TransferLine {
  open(file: File, hooks: TransferHooks): Transfer {
    return new PartTransfer(file, hooks);
  }

  async unfinished(): Promise<UnfinishedUpload[]> {
    const answer = await fetch(ENDPOINT);
    if (!answer.ok) return [];
    const uploads = v.parse(v.array(UploadViewSchema), await answer.json());
    return uploads.map(({ id, fileName, sizeBytes }) => ({ key: id, fileName, sizeBytes }));
  }

  async forget(key: string): Promise<void> {
    await fetch(`${ENDPOINT}/${key}`, { method: 'DELETE' });
  }
}

/** Thrown for an answer that trying again does not change. */
class Refusal extends Error {
  readonly isFinal: boolean;

  constructor(message: string, isFinal: boolean) {
    super(message);
    this.isFinal = isFinal;
  }
}

class PartTransfer implements Transfer {
  readonly #file: File;
  readonly #hooks: TransferHooks;
  #stopping = new AbortController();
  #id: string | null = null;

  constructor(file: File, hooks: TransferHooks) {
    this.#file = file;
    this.#hooks = hooks;
  }

  async start(): Promise<TransferEnd> {
    this.#stopping = new AbortController();
    const { signal } = this.#stopping;
    try {
      return await this.#send(signal);
    } catch (error) {
      if (signal.aborted) return new Promise(() => undefined);
      if (error instanceof Refusal) return { kind: error.isFinal ? 'refused' : 'failed', message: error.message };
      return { kind: 'offline' };
    } finally {
      // Of parts sent beside one another the others end with the first that fails.
      this.#stopping.abort();
    }
  }

  stop(): Promise<void> {
    this.#stopping.abort();
    return Promise.resolve();
  }

  async cancel(): Promise<void> {
    this.#stopping.abort();
    if (this.#id !== null) await fetch(`${ENDPOINT}/${this.#id}`, { method: 'DELETE' }).catch(() => undefined);
  }

  async #send(signal: AbortSignal): Promise<TransferEnd> {
    const { name: fileName, size: sizeBytes, lastModified: modifiedAtMs } = this.#file;
    const upload = await ask(ENDPOINT, { fileName, sizeBytes, modifiedAtMs }, UploadViewSchema, signal);
    this.#id = upload.id;
    const count = Math.ceil(sizeBytes / upload.partBytes);
    const sent = new Map<number, number>();
    const tell = () => this.#hooks.onProgress([...sent.values()].reduce((sum, bytes) => sum + bytes, 0));
    const missing: number[] = [];
    for (let partNumber = 1; partNumber <= count; partNumber += 1) {
      if (upload.arrived[partNumber] === undefined) missing.push(partNumber);
      else sent.set(partNumber, this.#part(upload, partNumber).size);
    }
    if (sent.size > 0) this.#hooks.onResumed(upload.id);
    tell();
    const worker = async () => {
      for (let partNumber = missing.shift(); partNumber !== undefined; partNumber = missing.shift()) {
        const own = partNumber;
        await this.#sendPart(upload, own, signal, (bytes) => {
          sent.set(own, bytes);
          tell();
        });
      }
    };
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, worker));
    const { state, videoId, message } = await ask(`${ENDPOINT}/${upload.id}/finish`, {}, UploadViewSchema, signal);
    if (state === 'refused') return { kind: 'refused', message: message ?? 'The file was refused.' };
    return { kind: state === 'duplicate' ? 'duplicate' : 'done', videoId };
  }

  async #sendPart(upload: UploadView, partNumber: number, signal: AbortSignal, onProgress: (bytes: number) => void): Promise<void> {
    const part = this.#part(upload, partNumber);
    const sha256 = toBase64(await crypto.subtle.digest('SHA-256', await part.arrayBuffer()));
    for (let tries = 1; ; tries += 1) {
      signal.throwIfAborted();
      // Signed anew each time: a URL may have lapsed while the connection was away.
      const { url, headers } = await ask(`${ENDPOINT}/${upload.id}/sign`, { partNumber, sha256 }, SignedPartSchema, signal);
      const status = await put(url, headers, part, signal, onProgress).catch((error: unknown) => {
        if (signal.aborted || tries >= TRIES) throw error;
        return null;
      });
      if (status === 200) return;
      if (tries >= TRIES) throw new Refusal('The object store does not take the file: try again in a moment.', false);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * tries));
    }
  }

  #part({ partBytes }: UploadView, partNumber: number): Blob {
    return this.#file.slice((partNumber - 1) * partBytes, partNumber * partBytes);
  }
}

/** Sends JSON and reads the answer. Throws `Refusal` with the server's sentence, or what `fetch` throws. */
async function ask<Schema extends v.GenericSchema>(
  url: string,
  body: unknown,
  schema: Schema,
  signal: AbortSignal,
): Promise<v.InferOutput<Schema>> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body), headers, signal });
  if (answer.ok) return v.parse(schema, await answer.json());
  const message = (await answer.text()).trim() || 'The server could not take it. Try again in a moment.';
  throw new Refusal(message, answer.status === 422 || answer.status === 413);
}

/** Puts a part, telling how much of it is on its way; `fetch` can't tell. Gives the status. */
function put(
  url: string,
  headers: Readonly<Record<string, string>>,
  part: Blob,
  signal: AbortSignal,
  onProgress: (sentBytes: number) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onProgress(Math.min(loaded, part.size));
    request.onload = () => resolve(request.status);
    request.onerror = () => reject(new Error('The object store can’t be reached.'));
    request.onabort = () => reject(new Error('Stopped.'));
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(part);
  });
}

function toBase64(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}
