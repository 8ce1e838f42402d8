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
