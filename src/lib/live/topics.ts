/** A stream of durable events: the whole library, one video, one review session, or what concerns one person. */
export type Topic = 'library' | `video:${number}` | `session:${number}` | `user:${number}`;

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

/** Whether a string names a topic. */
export function isTopic(text: string): text is Topic {
  return text === 'library' || /^(video|session|user):[1-9]\d{0,9}$/.test(text);
}

/** A topic's kind, and the id of what it is about; the library has none. */
export function parseTopic(topic: Topic): { readonly kind: 'library' | 'video' | 'session' | 'user'; readonly id: number } {
  const [kind, id] = topic.split(':') as ['library' | 'video' | 'session' | 'user', string | undefined];
  return { kind, id: Number(id ?? 0) };
}
