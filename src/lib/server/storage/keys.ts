import type { FrameSpan } from '#lib/core/cuts.ts';

/** Where each attempt of an encode or export leaves files of its own, and an import its source. */
export const ATTEMPT_PREFIXES = ['originals/', 'proxies/', 'masters/', 'thumbnails/', 'clips/'] as const;

/** The original as it was uploaded or downloaded. `extension` without the dot. */
export function originalKey(videoId: number, extension: string): string {
  return `${originalPrefix(videoId)}source.${extension}`;
}

/** Where a video's original lies, alone. */
export function originalPrefix(videoId: number): string {
  return `originals/${videoId}/`;
}

/** The review proxy of one encode; `attemptId` names the run that made it. */
export function proxyKey(videoId: number, attemptId: string): string {
  return `proxies/${videoId}/${attemptId}/proxy.mp4`;
}

/** The archival master of one encode. */
export function masterKey(videoId: number, attemptId: string): string {
  return `masters/${videoId}/${attemptId}/master.mp4`;
}

/** The sound of a video that is encoded in parts, as its proxies or masters have it. */
export function soundKey(room: 'proxies' | 'masters', videoId: number, attemptId: string): string {
  return `${room}/${videoId}/${attemptId}/sound.m4a`;
}

/** The poster frame of one encode. */
export function thumbnailKey(videoId: number, attemptId: string): string {
  return `thumbnails/${videoId}/${attemptId}/poster.jpg`;
}

/** One export of a clip; `attemptId` names the run that made it, so nothing shown is overwritten. */
export function clipKey(clip: FrameSpan & { readonly id: number; readonly videoId: number }, attemptId: string): string {
  return `clips/${clip.videoId}/${clip.id}/${clip.startFrame}-${clip.endFrame}-${attemptId}.mp4`;
}

/** A picture of a clip, by one of `stillNames`; named by the frames too, so that a moved cut asks for others. */
export function stillKey(clip: FrameSpan & { readonly id: number; readonly videoId: number }, name: string): string {
  return `keyframes/${clip.videoId}/${clip.id}/${clip.startFrame}-${clip.endFrame}/${name}`;
}

/** The files of a clip with this many stills: each in two sizes, and the strip to scrub through. */
export function stillNames(count: number): string[] {
  return [...Array.from({ length: count }, (_, index) => [`${index}.webp`, `${index}-small.webp`]).flat(), 'strip.webp'];
}

/** A clip's file in the playback cache, named by its frames: a moved cut asks for another file. */
export function tempClipKey(clip: FrameSpan & { readonly id: number; readonly videoId: number }): string {
  return `${clip.videoId}/clip_${clip.id}_${clip.startFrame}-${clip.endFrame}.mp4`;
}

/** The clip and frames that a file of the playback cache is named after; null for another name. */
export function parseTempClipKey(key: string): (FrameSpan & { readonly clipId: number }) | null {
  const [clipId, startFrame, endFrame] = (/^\d{1,10}\/clip_(\d{1,10})_(\d{1,10})-(\d{1,10})\.mp4$/.exec(key) ?? []).slice(1).map(Number);
  return clipId === undefined || startFrame === undefined || endFrame === undefined ? null : { clipId, startFrame, endFrame };
}

/** All places where files of a video lie, for its removal. */
export function videoPrefixes(videoId: number): string[] {
  return ['originals', 'proxies', 'masters', 'thumbnails', 'clips', 'keyframes'].map((room) => `${room}/${videoId}/`);
}
