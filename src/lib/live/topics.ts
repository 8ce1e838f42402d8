/** A stream of durable events: the whole library, or one video. */
export type Topic = 'library' | `video:${number}`;

/** The topic of one video. */
export function videoTopic(videoId: number): Topic {
  return `video:${videoId}`;
}

/** Whether a string names a topic. */
export function isTopic(text: string): text is Topic {
  return text === 'library' || /^video:[1-9]\d{0,9}$/.test(text);
}
