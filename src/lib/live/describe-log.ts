import { formatDuration } from '#lib/core/format.ts';
import { toTimecode, type Timebase } from '#lib/core/frame-rate.ts';
import { STAGES } from '#lib/jobs/stages.ts';
import type { LiveEvent } from '#lib/live/events.ts';
import type { VideoView } from '#lib/live/views.ts';

/** A line of a video's log in plain words. */
export interface LogLine {
  readonly seq: number;
  readonly at: string;
  readonly text: string;
  readonly isProblem: boolean;
}

/** What a reviewer did to a clip; the moment follows. */
const DECISIONS: Readonly<Record<string, string>> = {
  approve: 'approved the clip',
  skip: 'skipped the clip',
  archive: 'archived the clip',
  reopen: 'put the clip back into review',
  group: 'grouped the clip with the one before',
  merge: 'merged two clips into the one',
  split: 'split the clip',
  'move-cut': 'moved the cut',
  undo: 'took back a decision on the clip',
  redo: 'made a decision again on the clip',
  tag: 'changed the tags of the clip',
  rate: 'gave stars to the clip',
  'export-queued': 'asked for another try to export the clip',
};

/** What can be done to many clips at once. */
const BATCHED: readonly string[] = ['approve', 'skip', 'archive'];

/**
 * Tells a video's events, oldest first, as a story, newest first. Events that only bring numbers
 * up to date (a decision also changes the video's counts) tell nothing new and are left out.
 */
export function describeLog(events: readonly LiveEvent[], frameRate: Timebase | null): LogLine[] {
  const lines: LogLine[] = [];
  let before: VideoView | null = null;
  for (const event of events) {
    const line = describe(event, before, frameRate);
    if (line !== null) lines.push({ seq: event.seq, at: event.at, ...line });
    if (event.type === 'video-changed') before = event.payload.video;
  }
  return lines.reverse();
}

type Words = Pick<LogLine, 'text' | 'isProblem'>;

function describe(event: LiveEvent, before: VideoView | null, frameRate: Timebase | null): Words | null {
  switch (event.type) {
    case 'video-removed':
      return plain('The video was removed.');
    case 'video-changed':
      return event.payload.video.state === before?.state ? null : describeState(event.payload.video, before);
    case 'clips-changed':
      return describeClips(event, frameRate);
    default:
      // Talk is shown where it belongs, on its frames.
      return null;
  }
}

function describeState(video: VideoView, before: VideoView | null): Words {
  const isRetry = before?.state === 'failed';
  switch (video.state) {
    case 'downloading':
      if (video.sourceUrl === null) return plain(`${video.fileName} was uploaded and is compared with what is here.`);
      return plain(isRetry ? 'Tried again: waits to be downloaded.' : `The download of ${video.sourceUrl} was asked for.`);
    case 'downloaded':
      return plain(isRetry ? 'Tried again: waits to be encoded.' : `${video.fileName} has arrived and waits to be encoded.`);
    case 'encoding':
      return plain('Encoding began.');
    case 'encoded':
      return plain(isRetry ? 'Tried again: waits for its cuts to be found.' : `Encoded${describePicture(video)}.`);
    case 'detecting':
      return plain('The search for cuts began.');
    case 'ready': {
      const { pending, approved, skipped, archived } = video.clipCounts;
      return plain(`Ready to review: ${count(pending + approved + skipped + archived, 'clip')}.`);
    }
    case 'failed': {
      const stage = video.failedStage === null ? 'The work' : STAGES[video.failedStage].label;
      return { text: `${stage} failed: ${video.error ?? 'no reason was given.'}`, isProblem: true };
    }
  }
}

function describePicture({ width, height, durationMs }: VideoView): string {
  return width === null || height === null || durationMs === null ? '' : `: ${width}×${height}, ${formatDuration(durationMs)} long`;
}

function describeClips({ payload }: Extract<LiveEvent, { type: 'clips-changed' }>, frameRate: Timebase | null): Words | null {
  const { cause, clips, actorName } = payload;
  const first = clips.at(cause === 'split' || cause === 'move-cut' ? -1 : 0);
  const at = first === undefined || frameRate === null ? '' : ` at ${toTimecode(first.startFrame, frameRate)}`;
  const decision = DECISIONS[cause];
  if (decision !== undefined) {
    const isBatch = BATCHED.includes(cause) && clips.length > 1;
    return plain(
      `${actorName ?? 'Somebody'} ${isBatch ? decision.replace('the clip', `${clips.length} clips alike`) : decision}${isBatch ? '' : at}.`,
    );
  }
  switch (cause) {
    case 'scenes-detected':
      return plain(`${count(Math.max(0, clips.length - 1), 'cut')} found.`);
    case 'export-done':
      return plain(`The clip${at} is exported.`);
    case 'export-failed':
      return { text: `The export of the clip${at} failed: ${first?.exportError ?? 'no reason was given.'}`, isProblem: true };
    default:
      return null;
  }
}

function plain(text: string): Words {
  return { text, isProblem: false };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
