import type { LiveEventBody } from '#lib/live/events.ts';
import type { Topic } from '#lib/live/topics.ts';

/** What webhooks can tell of. */
export const WEBHOOK_EVENTS = {
  'video.ready': 'A video is encoded and cut into clips',
  'video.failed': 'A stage of a video has failed for good',
  'clip.ready': 'Clips are there to be reviewed',
  'clip.decided': 'Someone decided about clips, or undid it',
  'export.done': 'A clip is exported',
  'export.failed': 'A clip could not be exported',
  'session.closed': 'A review session was closed',
} as const;
export type WebhookEvent = keyof typeof WEBHOOK_EVENTS;

/** All events. */
export const WEBHOOK_EVENT_NAMES = Object.keys(WEBHOOK_EVENTS) as readonly WebhookEvent[];

/** What is told of an event of the outbox; null for nothing. */
export interface WebhookMessage {
  readonly event: WebhookEvent;
  readonly data: Readonly<Record<string, unknown>>;
}

const DECISIONS = ['approve', 'skip', 'archive', 'reopen', 'group', 'merge', 'split', 'move-cut', 'undo', 'redo'];

/** What webhooks are told of an event. A video that stays ready or failed is for the caller to know: its state may be told again and again. */
export function webhookMessage(topic: Topic, event: LiveEventBody): WebhookMessage | null {
  if (event.type === 'video-changed' && topic.startsWith('video:')) {
    const { video } = event.payload;
    return video.state === 'ready' || video.state === 'failed' ? { event: `video.${video.state}`, data: { video } } : null;
  }
  if (event.type === 'clips-changed') {
    const { videoId, cause, actorName, clips, removedClipIds } = event.payload;
    if (cause === 'scenes-detected') return { event: 'clip.ready', data: { videoId, clipIds: clips.map((clip) => clip.id) } };
    if (cause === 'export-done' || cause === 'export-failed') {
      return { event: cause === 'export-done' ? 'export.done' : 'export.failed', data: { videoId, clip: clips[0] } };
    }
    return DECISIONS.includes(cause) ? { event: 'clip.decided', data: { videoId, kind: cause, actorName, clips, removedClipIds } } : null;
  }
  if (event.type === 'session-changed' && event.payload.cause === 'end')
    return { event: 'session.closed', data: { session: event.payload.session } };
  return null;
}

/** A webhook as admins see it. */
export interface WebhookView {
  readonly id: number;
  readonly url: string;
  readonly description: string;
  readonly events: readonly WebhookEvent[];
  readonly isEnabled: boolean;
  readonly disabledReason: string | null;
  readonly failingSince: string | null;
  /** Until when the secret before the last rotation signs too; null when it does not. */
  readonly previousUntil: string | null;
  readonly createdByName: string | null;
  readonly createdAt: string;
  readonly pendingCount: number;
  readonly failedCount: number;
}

/** One try to deliver. */
export interface WebhookAttempt {
  readonly at: string;
  readonly durationMs: number;
  /** Null when there was no answer. */
  readonly status: number | null;
  readonly error: string | null;
  /** How the answer begins. */
  readonly responseExcerpt: string;
}

/** One thing told to one webhook. */
export interface DeliveryView {
  readonly id: number;
  /** Sent as `webhook-id`. */
  readonly messageId: string;
  readonly event: WebhookEvent | 'ping';
  readonly state: 'pending' | 'delivered' | 'failed';
  readonly createdAt: string;
  readonly nextAttemptAt: string | null;
  readonly attempts: readonly WebhookAttempt[];
  /** How the body begins. */
  readonly payloadExcerpt: string;
}
