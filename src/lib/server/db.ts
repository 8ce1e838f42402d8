import postgres from 'postgres';
import { config } from '#lib/server/config.ts';

/** A connection pool or a transaction: what every store takes as its first argument. */
export type Sql = postgres.Sql<{ bigint: number }> | postgres.TransactionSql<{ bigint: number }>;
/** A transaction: for functions whose writes must stand or fall together. */
export type Transaction = postgres.TransactionSql<{ bigint: number }>;
export type Database = postgres.Sql<{ bigint: number }>;

/** Opens a pool of connections. int8 comes as a number: nothing here passes 2^53. */
export function connect(databaseUrl: string, poolSize: number): Database {
  return postgres(databaseUrl, {
    max: poolSize,
    // Seconds: a database that was restarted is found again within one.
    backoff: (attempts: number) => Math.min(1, 0.05 * 2 ** attempts),
    onnotice: () => undefined,
    connection: { application_name: 'heaters' },
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
  });
}

let pool: Database | undefined;
let side: Database | undefined;

/** The pool of this process, opened at the first call. */
export function db(): Database {
  pool ??= connect(config().databaseUrl, config().poolSize);
  return pool;
}

/**
 * One connection beside the pool, for what is asked in the middle of a transaction: with one of the
 * pool's it would deadlock as soon as every connection is held by a transaction that waits for one.
 */
export function sideDb(): Database {
  side ??= connect(config().databaseUrl, 1);
  return side;
}

/** Closes the connections of this process, after the queries under way. */
export async function closeDb(): Promise<void> {
  await Promise.all([pool?.end({ timeout: 5 }), side?.end({ timeout: 5 })]);
  pool = side = undefined;
}

const LOST = /^(CONNECTION_|CONNECT_TIMEOUT$|ECONN|EPIPE$|08|57P0[123]$|53300$)/;

/**
 * Whether an error means that the database could not be reached, or went away: what was asked may or
 * may not have been done, and may be asked again when it is harmless to do twice. Codes 08…, 57P0… and
 * 53300 are PostgreSQL's (appendix “Error codes”), the others the driver's and the system's.
 */
export function isConnectionLost(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && LOST.test(error.code);
}
