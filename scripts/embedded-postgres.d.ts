/** A PostgreSQL server that this process has started. */
export interface EmbeddedPostgres {
  readonly url: string;
  readonly home: string;
  /** The process id of its postmaster. */
  readonly pid: number;
  stop(): Promise<void>;
}

export function startPostgres(options: {
  readonly binaries: string;
  readonly home: string;
  readonly durable?: boolean;
  /** A free one where it is not named. */
  readonly port?: number;
}): Promise<EmbeddedPostgres>;
