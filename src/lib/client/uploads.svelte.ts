import { createContext } from 'svelte';
import type { TransferLine, UnfinishedUpload } from '#lib/client/transfer.ts';
import { Upload } from '#lib/client/upload.svelte.ts';

/** More at once would only share the same line. */
const MAX_AT_ONCE = 2;

/** The uploads of this page; they go on while their owner walks through the app. */
export class Uploads {
  readonly #line: TransferLine;
  #items = $state<Upload[]>([]);
  #unfinished = $state<UnfinishedUpload[]>([]);

  constructor(line: TransferLine) {
    this.#line = line;
  }

  /** All that this page began and nobody has put away, in the order in which they were chosen. */
  get items(): readonly Upload[] {
    return this.#items;
  }

  /** What an earlier page left unfinished: choosing the same file again goes on with it. */
  get unfinished(): readonly UnfinishedUpload[] {
    return this.#unfinished;
  }

  /** Whether leaving the page would break one off. */
  get isUnderWay(): boolean {
    return this.#items.some((upload) => upload.isUnderWay);
  }

  /** Looks for what an earlier page left unfinished. In the browser only. */
  async findUnfinished(): Promise<void> {
    this.#unfinished = await this.#line.unfinished();
  }

  /** Takes files in; one that is on its way already is left alone. */
  add(files: Iterable<File>): void {
    for (const file of files) {
      const known = this.#items.find((upload) => isSameFile(upload.file, file));
      if (known?.isUnderWay) continue;
      if (known?.state === 'paused' || known?.state === 'failed') known.wait();
      else {
        if (known) this.dismiss(known);
        this.#items.push(this.#make(file));
      }
    }
    this.#startNext();
  }

  /** Goes on with one that was paused or has failed. */
  resume(upload: Upload): void {
    upload.wait();
    this.#startNext();
  }

  /** Breaks one off for good. */
  async cancel(upload: Upload): Promise<void> {
    this.dismiss(upload);
    await upload.cancel();
  }

  /** Puts one away that has ended. */
  dismiss(upload: Upload): void {
    this.#items = this.#items.filter((other) => other !== upload);
  }

  /** Puts away all that have ended. */
  dismissEnded(): void {
    this.#items = this.#items.filter((upload) => upload.isUnderWay || upload.state === 'paused');
  }

  /** Forgets what an earlier page left unfinished. */
  async forget({ key }: UnfinishedUpload): Promise<void> {
    this.#drop(key);
    await this.#line.forget(key);
  }

  /** The connection is back: those that wait for it go on. */
  comeBack(): void {
    for (const upload of this.#items) upload.comeBack();
  }

  #make(file: File): Upload {
    return new Upload(file, this.#line, {
      onResumed: (unfinishedKey) => this.#drop(unfinishedKey),
      onIdle: () => this.#startNext(),
    });
  }

  #drop(key: string): void {
    this.#unfinished = this.#unfinished.filter((upload) => upload.key !== key);
  }

  #startNext(): void {
    const running = this.#items.filter((upload) => upload.isUnderWay && upload.state !== 'waiting').length;
    const waiting = this.#items.filter((upload) => upload.state === 'waiting');
    for (const upload of waiting.slice(0, Math.max(0, MAX_AT_ONCE - running))) void upload.start();
  }
}

function isSameFile(a: File, b: File): boolean {
  return a.name === b.name && a.size === b.size && a.lastModified === b.lastModified;
}

/** The uploads of the page, set by the layout. */
export const [getUploads, setUploads] = createContext<Uploads>();
