import type { MachineConfig } from './schemas.ts';

export type MachineState = 'created' | 'starting' | 'started' | 'stopping' | 'stopped' | 'suspended' | 'destroying' | 'destroyed';

/** How the main process ended. */
export interface ExitEvent {
  readonly exit_code: number;
  readonly guest_exit_code: number;
  /** The signal's number, or -1. */
  readonly guest_signal: number;
  readonly oom_killed: boolean;
  readonly requested_stop: boolean;
  readonly exited_at: string;
}

export interface MachineEvent {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly source: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly request?: { exit_event: ExitEvent };
}

export interface Lease {
  readonly nonce: string;
  readonly owner: string;
  readonly description: string;
  readonly expiresAtMs: number;
}

/** A machine, plain enough for the state file. */
export interface Machine {
  readonly app: string;
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly instanceId: string;
  readonly privateIp: string;
  readonly config: MachineConfig;
  readonly secrets: Record<string, string>;
  readonly createdAtMs: number;
  updatedAtMs: number;
  state: MachineState;
  /** Newest first. */
  events: MachineEvent[];
  lease: Lease | null;
  /** The leader of its process group while it runs, with the mark that tells it from a later process of that id. */
  pid: number | null;
  processMark: string | null;
  /** Since when it is `started`, and for how long it was before. */
  startedAtMs: number | null;
  startedBeforeMs: number;
  retries: number;
  isStopRequested: boolean;
  isOutOfMemory: boolean;
  /** When a stop turns into a kill. */
  killAtMs: number | null;
  /** The faults that hold it. */
  stuckBy: string | null;
  partitionedBy: string | null;
}

/** A machine as the API shows it. */
export function present(machine: Machine, state: MachineState = machine.state) {
  const [repository, tag = 'latest'] = machine.config.image.split(/:(?=[^/]*$)/);
  return {
    id: machine.id,
    name: machine.name,
    state,
    region: machine.region,
    instance_id: machine.instanceId,
    private_ip: machine.privateIp,
    image_ref: { repository, tag },
    config: machine.config,
    events: machine.events,
    created_at: new Date(machine.createdAtMs).toISOString(),
    updated_at: new Date(machine.updatedAtMs).toISOString(),
    host_status: 'ok',
  };
}
