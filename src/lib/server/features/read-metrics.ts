import type { Sql } from '#lib/server/db.ts';
import { metricsText, type StateGauge } from '#lib/server/telemetry/metrics.ts';
import { callCounts, connectionCounts, machineCounts, queueCounts } from '#lib/server/stores/metrics.ts';

/**
 * What this process has counted, and how queues, pools and the database stand: every process that is asked says the same of
 * those, so take the largest, not the sum. Without the database there is what this process has counted.
 */
export async function readMetrics(sql: Sql): Promise<string> {
  return metricsText(await stateGauges(sql).catch(() => [UNREACHED]));
}

const REACHED = { name: 'heaters_database_up', help: 'Whether the database answered for this look.', labels: [] };
const UNREACHED: StateGauge = { ...REACHED, rows: [{ labels: {}, value: 0 }] };

async function stateGauges(sql: Sql): Promise<StateGauge[]> {
  const askedMs = performance.now();
  const { byState, allowed } = await connectionCounts(sql);
  const answeredMs = performance.now();
  const [queues, machines, calls] = await Promise.all([queueCounts(sql), machineCounts(sql), callCounts(sql)]);
  const byPool = ({ pool, state, count }: { pool: string; state: string; count: number }) => ({ labels: { pool, state }, value: count });
  const single = (name: string, help: string, value: number) => ({ name, help, labels: [], rows: [{ labels: {}, value }] });
  return [
    { ...REACHED, rows: [{ labels: {}, value: 1 }] },
    single(
      'heaters_database_answer_seconds',
      'How long two small queries took, waiting for a connection included.',
      (answeredMs - askedMs) / 1000,
    ),
    single('heaters_database_connections_allowed', 'Connections that the server allows.', allowed),
    {
      ...{ name: 'heaters_database_connections', help: 'Connections to the database by state, of all processes.', labels: ['state'] },
      rows: byState.map(({ state, count }) => ({ labels: { state }, value: count })),
    },
    {
      ...{ name: 'heaters_queue_jobs', help: 'Jobs by queue and state.', labels: ['queue', 'state'] },
      rows: queues.flatMap(({ queue, ...byState }) =>
        Object.entries(byState).map(([state, value]) => ({ labels: { queue, state }, value })),
      ),
    },
    { name: 'heaters_pool_machines', help: 'Machines of the runner pool by state.', labels: ['pool', 'state'], rows: machines.map(byPool) },
    { name: 'heaters_pool_calls', help: 'Calls to the runner pool that wait or run.', labels: ['pool', 'state'], rows: calls.map(byPool) },
  ];
}
