import { collectDefaultMetrics, Counter, Gauge, Histogram, register, type Metric } from 'prom-client';
import { ffmpegUsage } from '#lib/server/telemetry/ffmpeg-usage.ts';

/** The pages' bundle holds a second copy of this module: both count in the one registry of the process. */
function once<Kind extends Metric>(name: string, make: (name: string) => Kind): Kind {
  return (register.getSingleMetric(name) as Kind | undefined) ?? make(name);
}

function counter<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Counter<Label> {
  return once(name, () => new Counter({ name, help, labelNames: [...labelNames] }));
}

function gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Gauge<Label> {
  return once(name, () => new Gauge({ name, help, labelNames: [...labelNames] }));
}

function histogram<Label extends string>(
  name: string,
  help: string,
  labelNames: readonly Label[],
  buckets: readonly number[],
): Histogram<Label> {
  return once(name, () => new Histogram({ name, help, labelNames: [...labelNames], buckets: [...buckets] }));
}

const FAST = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const LONG = [0.5, 2, 10, 30, 120, 600, 1_800, 7_200];

/** How long requests took, by route and not by path: a path names people's videos. */
export const httpDuration = histogram('heaters_http_request_duration_seconds', 'Requests by route.', ['method', 'route', 'status'], FAST);
/** Sockets that are open now. */
export const openSockets = gauge('heaters_sockets_open', 'Sockets open at this web node.');
/** What sockets asked for, and how long the answer took. */
export const commandDuration = histogram('heaters_socket_command_duration_seconds', 'Commands over sockets.', ['command', 'outcome'], FAST);
/** Events handed on to followers. */
export const liveEvents = counter('heaters_live_events_total', 'Durable events heard by this web node, by kind of topic.', ['topic']);
/** Pages that came (back) and were given what they had missed, or had to load anew. */
export const catchUps = counter('heaters_live_catch_ups_total', 'Subscriptions by how they caught up.', ['outcome']);
/** Gaps that were filled out of the outbox, in place of a notification. */
export const gapFills = counter('heaters_live_gap_fills_total', 'Readings of the outbox for missed notifications.');
/** How long attempts of stages took, by how they ended. */
export const stageDuration = histogram('heaters_stage_duration_seconds', 'Attempts of stages.', ['stage', 'outcome'], LONG);
/** How long calls took on this runner. */
export const callDuration = histogram('heaters_runner_call_duration_seconds', 'Calls run by this runner.', ['task', 'outcome'], LONG);

once(
  'heaters_ffmpeg_runs_total',
  (name) =>
    new Counter({
      name,
      help: 'Runs of ffmpeg, in this process and for it on machines of the pool.',
      labelNames: ['outcome'],
      collect() {
        const { done, failed, stopped } = ffmpegUsage();
        this.reset();
        for (const [outcome, runs] of Object.entries({ done, failed, stopped })) this.inc({ outcome }, runs);
      },
    }),
);
once(
  'heaters_ffmpeg_seconds_total',
  (name) =>
    new Counter({
      name,
      help: 'How long ffmpeg ran, in this process and for it on machines of the pool.',
      collect() {
        this.reset();
        this.inc(ffmpegUsage().ms / 1000);
      },
    }),
);
if (register.getSingleMetric('process_cpu_seconds_total') === undefined) collectDefaultMetrics();

/** A gauge whose values are read anew for each look, each with its labels. */
export interface StateGauge {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly rows: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

/** All metrics of this process as Prometheus reads them, with those that `state` gives. */
export async function metricsText(state: readonly StateGauge[] = []): Promise<string> {
  for (const { name, help, labels: labelNames, rows } of state) {
    const known = gauge(name, help, labelNames);
    known.reset();
    for (const { labels, value } of rows) known.set(labels, value);
  }
  return register.metrics();
}

/** The media type of `metricsText`. */
export const METRICS_TYPE = register.contentType;
