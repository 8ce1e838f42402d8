/** Streams that only admins follow: the job queues, the runner pool, the system. */
export const ADMIN_TOPICS = ['queues', 'pool', 'system'] as const;
/** One of the streams that only admins follow. */
export type AdminTopic = (typeof ADMIN_TOPICS)[number];

/** A stream of durable events: the whole library, one video, one review session, what concerns one person, or what admins watch. */
export type Topic = 'library' | AdminTopic | `video:${number}` | `session:${number}` | `user:${number}`;

type TopicKind = 'library' | 'admin' | 'video' | 'session' | 'user';

/** The topic of one video. */
export function videoTopic(videoId: number): Topic {
  return `video:${videoId}`;
}

/** The topic of one review session. */
export function sessionTopic(sessionId: number): Topic {
  return `session:${sessionId}`;
}

/** The topic of what concerns one person alone. */
export function userTopic(userId: number): Topic {
  return `user:${userId}`;
}

/** Whether a string names a topic. Ids have nine digits at most: PostgreSQL's integers hold all of those. */
export function isTopic(text: string): text is Topic {
  return text === 'library' || isAdminTopic(text) || /^(video|session|user):[1-9]\d{0,8}$/.test(text);
}

/** A topic's kind, and the id of what it is about; 0 where there is only one of the kind. */
export function parseTopic(topic: Topic): { readonly kind: TopicKind; readonly id: number } {
  if (isAdminTopic(topic)) return { kind: 'admin', id: 0 };
  const [kind, id] = topic.split(':') as [TopicKind, string | undefined];
  return { kind, id: Number(id ?? 0) };
}

function isAdminTopic(text: string): text is AdminTopic {
  return ADMIN_TOPICS.some((topic) => topic === text);
}
