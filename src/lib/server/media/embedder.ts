import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { config } from '#lib/server/config.ts';
import { log } from '#lib/server/log.ts';
import { MediaProcessError, startMediaProcess } from '#lib/server/media/python.ts';

const Identity = {
  name: v.string(),
  version: v.string(),
  dimensions: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4000)),
};
const percent = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100));
/** `model.json`. */
const ModelSchema = v.object({
  ...Identity,
  /** From which likeness on something is found at all: of a clip to a text, and of a clip to a picture; null where the model names none. */
  thresholds: v.optional(v.nullable(v.object({ text: v.number(), picture: v.number() })), null),
  /** From which percentage on two clips look alike, and from which they are nearly the same picture; CLIP ViT-B/32's where a model names none. */
  likeness: v.optional(v.object({ similarPercent: percent, nearDuplicatePercent: percent }), {
    similarPercent: 80,
    nearDuplicatePercent: 92,
  }),
});
/** Which model makes the vectors; those of another name or version can't be compared with its own. */
export type EmbeddingModel = v.InferOutput<typeof ModelSchema>;

const Message = v.variant('type', [
  v.object({ v: v.literal(1), type: v.literal('ready'), ...Identity }),
  v.object({ v: v.literal(1), type: v.literal('vectors'), vectors: v.array(v.array(v.number())) }),
  v.object({ v: v.literal(1), type: v.literal('error'), code: v.string(), message: v.string() }),
]);

/** What there is in the model's folder: a model, nothing, or something that is none. */
export type ModelState =
  | { readonly kind: 'installed'; readonly model: EmbeddingModel }
  | { readonly kind: 'none' }
  | { readonly kind: 'broken'; readonly message: string };

const manifestPath = () => path.join(config().modelDir, 'model.json');
let installed: EmbeddingModel | undefined;
let isBrokenLogged = false;

/** How it stands with the model; one that is there is kept for the life of this process. */
export async function modelState(): Promise<ModelState> {
  if (installed !== undefined) return { kind: 'installed', model: installed };
  const text = await readFile(manifestPath(), 'utf8').catch(() => null);
  if (text === null) return { kind: 'none' };
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), ModelSchema), text);
  if (parsed.success) return { kind: 'installed', model: (installed = parsed.output) };
  // Asked for all the time: said once.
  if (!isBrokenLogged) log.error({ issues: parsed.issues.map((issue) => issue.message) }, 'the model’s model.json can’t be read');
  isBrokenLogged = true;
  return { kind: 'broken', message: 'The model can’t be used: its model.json can’t be read. Fetch it anew with `npm run model`.' };
}

/** The model that `npm run model` has put in place; null where there is none (yet), or none that can be used. */
export async function installedModel(): Promise<EmbeddingModel | null> {
  const state = await modelState();
  return state.kind === 'installed' ? state.model : null;
}

/** When the model was put in place, also the same one again; null where there is none. */
export async function modelInstalledAt(): Promise<Date | null> {
  return stat(manifestPath()).then(
    ({ mtime }) => mtime,
    () => null,
  );
}

interface Waiting {
  readonly resolve: (vectors: number[][]) => void;
  readonly reject: (error: Error) => void;
}

/** The Python process that makes vectors: started when first asked, kept warm, started anew when it has died. */
class Embedder {
  #child: ChildProcessWithoutNullStreams | null = null;
  readonly #waiting: Waiting[] = [];
  #lastError: string | null = null;

  /** A unit vector for each clip, out of the files of its pictures. */
  embedClips(clips: readonly (readonly string[])[]): Promise<number[][]> {
    return this.#ask({ type: 'embed-clips', clips });
  }

  /** The unit vector of a text. */
  embedText(text: string): Promise<number[]> {
    return this.#askForOne({ type: 'embed-text', text });
  }

  /** The unit vector of a picture; a thumbnail of it, WebP, is written beside. */
  embedPicture(path: string, thumbnailPath: string): Promise<number[]> {
    return this.#askForOne({ type: 'embed-picture', path, thumbnailPath });
  }

  /** Ends the process; what waits for it fails. */
  stop(): void {
    this.#child?.kill('SIGKILL');
  }

  async #askForOne(request: object): Promise<number[]> {
    const [vector] = await this.#ask(request);
    if (vector === undefined) throw new MediaProcessError('The model gave no vector.');
    return vector;
  }

  #ask(request: object): Promise<number[][]> {
    this.#child ??= this.#start();
    const { stdin } = this.#child;
    // Answers come in the order of the questions.
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      stdin.write(`${JSON.stringify({ v: 1, ...request })}\n`);
    });
  }

  #start(): ChildProcessWithoutNullStreams {
    const child = startMediaProcess(['embed', '--model', config().modelDir]);
    this.#lastError = null;
    let isReady = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message = v.safeParse(Message, safeJson(line));
      if (!message.success) return void child.kill('SIGKILL');
      if (message.output.type === 'ready') {
        isReady = true;
        // Fetched anew since this process has looked: its vectors would be written down as the old one's.
        if (installed !== undefined && message.output.version !== installed.version) {
          this.#lastError = 'The model was replaced while the app runs: restart the app to use it.';
          child.kill('SIGKILL');
        }
        return;
      }
      const failure = message.output.type === 'error' ? message.output.message : null;
      if (!isReady) {
        this.#lastError = failure;
        return;
      }
      const first = this.#waiting.shift();
      if (message.output.type === 'vectors') first?.resolve(message.output.vectors);
      else first?.reject(new MediaProcessError(message.output.message));
    });
    const end = (reason: string) => {
      if (this.#child === child) this.#child = null;
      for (const { reject } of this.#waiting.splice(0)) reject(new MediaProcessError(this.#lastError ?? reason));
    };
    child.once('error', (error) => end(`Python could not be started: ${error.message}`));
    child.once('close', () => end('The process of the model has ended; the log says why. Try again.'));
    return child;
  }
}

function safeJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

let shared: Embedder | undefined;

/** The embedder of this process. */
export function embedder(): Embedder {
  return (shared ??= new Embedder());
}
