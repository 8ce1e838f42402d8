import type { Guest } from '#lib/core/machine-cost.ts';

/** A machine to boot. Its name is the key: however often it is asked for, there is one alive. */
export interface MachineSpec {
  readonly name: string;
  readonly pool: string;
  /** Whether it has been asked for before, with an outcome that nobody knows. */
  readonly mayExist: boolean;
  readonly guest: Guest;
  /** In order of preference; empty for the backend's own. */
  readonly regions: readonly string[];
  /** null for the backend's own. */
  readonly image: string | null;
  /** All that the runner gets: there is nothing else in its environment that matters. */
  readonly env: Readonly<Record<string, string>>;
}

/** A machine as its provider knows it. */
export interface Machine {
  readonly id: string;
  readonly name: string;
  readonly region: string | null;
  readonly createdAtMs: number;
}

/** How a machine stands: `gone` only when it certainly is. `failure` is null when it ended as it should. */
export type MachineStatus = { readonly state: 'alive' } | { readonly state: 'gone'; readonly failure: string | null };

/** There is certainly no machine, and asking again at once won't help. */
export class BootRefused extends Error {
  override readonly name = 'BootRefused';
}

/** Where machines come from. */
export interface RunnerBackend {
  readonly name: 'local' | 'fly';
  /**
   * Boots the machine, or gives the live one of that name. Throws `BootRefused` when there certainly is
   * none; after any other error there may be one, and the same call finds out.
   */
  boot(spec: MachineSpec): Promise<Machine>;
  /** How a machine stands. Throws when that can't be told now. */
  inspect(machineId: string): Promise<MachineStatus>;
  /** Ends a machine by force. It is gone once `inspect` says so. */
  destroy(machineId: string): Promise<void>;
  /** Machines of this deployment that may be alive; a hint, never a proof of absence. */
  list(): Promise<Machine[]>;
  /** Calls back as soon as a machine is known to be gone, where the backend is told; `inspect` tells it anyhow. */
  onGone?(listener: (machineId: string) => void): void;
  /** Ends the machines that must not outlive this parent, and gives their ids. */
  stop(): Promise<string[]>;
}
