import type { ClipsDelta } from '#lib/live/apply-event.ts';
import type { ClipView } from '#lib/live/views.ts';

type Seen = Pick<ClipView, 'id' | 'version'>;

/**
 * What this window's own commands have made of clips.
 *
 * Someone who presses a key twice means the second press to follow the first, and its version is
 * on the screen only after the first's reply. Changes by others are never followed: those are
 * conflicts.
 */
export class OwnChanges {
  readonly #after = new Map<string, Seen>();

  /** Takes in the reply to an own command, given the clips that were known when it was sent. */
  note(before: readonly ClipView[], reply: ClipsDelta): void {
    for (const old of before) {
      const kept = reply.clips.find((clip) => clip.id === old.id);
      // A rise by more than one means that someone else was in between.
      if (kept?.version === old.version + 1) this.#after.set(nameOf(old), kept);
      const heir = reply.clips.at(-1);
      if (reply.removedClipIds.includes(old.id) && heir !== undefined) this.#after.set(nameOf(old), heir);
    }
  }

  /** The clip that own commands have made of the one that was on the screen. */
  latest(clip: Seen): Seen {
    let latest = clip;
    for (let next = this.#after.get(nameOf(latest)); next !== undefined; next = this.#after.get(nameOf(latest))) latest = next;
    return latest;
  }
}

function nameOf({ id, version }: Seen): string {
  return `${id}:${version}`;
}
