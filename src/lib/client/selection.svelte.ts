import { SvelteSet } from 'svelte/reactivity';

/** Which rows of a list are chosen; a range goes from the row that was last chosen by hand. */
export class Selection {
  readonly #ids = new SvelteSet<number>();
  #anchorId: number | null = null;
  readonly #order: () => readonly number[];

  /** `order` gives the ids that can be chosen, as they stand on the screen. */
  constructor(order: () => readonly number[]) {
    this.#order = order;
  }

  /** The chosen ids that can still be chosen, in the order of the screen. */
  get ids(): readonly number[] {
    return this.#order().filter((id) => this.#ids.has(id));
  }

  /** Whether a row is chosen. */
  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** Chooses a row or leaves it out; with `isRange` all between it and the row before. */
  choose(id: number, isChosen: boolean, isRange = false): void {
    const order = this.#order();
    const [from, to] = [order.indexOf(isRange && this.#anchorId !== null ? this.#anchorId : id), order.indexOf(id)];
    this.chooseAll(from === -1 || to === -1 ? [id] : order.slice(Math.min(from, to), Math.max(from, to) + 1), isChosen);
    this.#anchorId = id;
  }

  /** Chooses these rows or leaves them out. */
  chooseAll(ids: readonly number[], isChosen: boolean): void {
    for (const id of ids) {
      if (isChosen) this.#ids.add(id);
      else this.#ids.delete(id);
    }
  }

  /** Leaves all out. */
  clear(): void {
    this.#ids.clear();
    this.#anchorId = null;
  }
}
