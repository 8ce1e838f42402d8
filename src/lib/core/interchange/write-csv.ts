import { spanLength } from '#lib/core/cuts.ts';
import { frameToSeconds, framesPerSecond, toTimecode } from '#lib/core/frame-rate.ts';
import type { CutEvent, CutList, Written } from '#lib/core/interchange/cut-list.ts';

const COLUMNS: readonly (readonly [string, (event: CutEvent) => string | number])[] = [
  ['clip', (event) => event.clipId],
  ['name', (event) => event.name],
  ['video', (event) => event.source.title],
  ['file', (event) => event.source.fileName],
  ['state', (event) => event.state],
  ['start_frame', (event) => event.startFrame],
  ['end_frame', (event) => event.endFrame],
  ['frames', (event) => spanLength(event)],
  ['start_timecode', (event) => toTimecode(event.startFrame, event.source.timebase)],
  ['end_timecode', (event) => toTimecode(event.endFrame, event.source.timebase)],
  ['frame_rate', (event) => Number(framesPerSecond(event.source.timebase).toFixed(6))],
  ['seconds', (event) => Number(frameToSeconds(spanLength(event), event.source.timebase).toFixed(6))],
  ['stars', (event) => event.stars ?? ''],
  ['tags', (event) => event.tags.join(', ')],
  ['decided_by', (event) => event.decidedBy ?? ''],
  ['decided_at', (event) => event.decidedAt ?? ''],
  [
    'comments',
    (event) =>
      event.markers.map(({ startFrame, author, text }) => `${toTimecode(startFrame, event.source.timebase)} ${author}: ${text}`).join('\n'),
  ],
];

/**
 * A list as comma-separated values with a heading (RFC 4180), end frames exclusive. Text that a spreadsheet
 * would take for a formula gets an apostrophe before it. Source: OWASP, “CSV Injection”.
 */
export function writeCsv(list: CutList): Written {
  const rows = [COLUMNS.map(([name]) => name), ...list.events.map((event) => COLUMNS.map(([, read]) => cell(read(event))))];
  return { kind: 'ok', text: rows.map((row) => `${row.join(',')}\r\n`).join('') };
}

function cell(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const harmless = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
