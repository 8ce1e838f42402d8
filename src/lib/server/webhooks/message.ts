import * as v from 'valibot';
import type { LiveEventBody } from '#lib/live/events.ts';
import type { Topic } from '#lib/live/topics.ts';
import type { WebhookEvent } from '#lib/live/webhooks.ts';
import { WEBHOOK_DATA } from '#lib/server/api/schemas.ts';

/** What is told of an event of the outbox. */
export interface WebhookMessage {
  readonly event: WebhookEvent;
  /** As the API's document says, and no more. */
  readonly data: Readonly<Record<string, unknown>>;
}

const DECISIONS = ['approve', 'skip', 'archive', 'reopen', 'group', 'merge', 'split', 'move-cut', 'undo', 'redo'];

/** What webhooks are told of an event; null for nothing. A video that stays ready or failed is for the caller to know: its state may be told again and again. */
export function webhookMessage(topic: Topic, event: LiveEventBody): WebhookMessage | null {
  if (event.type === 'video-changed' && topic.startsWith('video:')) {
    const { video } = event.payload;
    return video.state === 'ready' || video.state === 'failed' ? message(`video.${video.state}`, { video }) : null;
  }
  if (event.type === 'clips-changed') {
    const { videoId, cause, actorName, clips, removedClipIds } = event.payload;
    if (cause === 'scenes-detected') return message('clip.ready', { videoId, clipIds: clips.map((clip) => clip.id) });
    if (cause === 'export-done' || cause === 'export-failed') {
      return message(cause === 'export-done' ? 'export.done' : 'export.failed', { videoId, clip: clips[0] });
    }
    return DECISIONS.includes(cause) ? message('clip.decided', { videoId, kind: cause, actorName, clips, removedClipIds }) : null;
  }
  if (event.type === 'session-changed' && event.payload.cause === 'end') {
    return message('session.closed', { session: event.payload.session });
  }
  return null;
}

/** Cuts data to its schema, as answers are. */
function message(event: WebhookEvent, data: unknown): WebhookMessage {
  return { event, data: v.parse(WEBHOOK_DATA[event], data) };
}
