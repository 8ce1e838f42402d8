import type { VideoView } from '#lib/live/views.ts';

/** What the library can be narrowed to, in the order of its menu. */
export const VIDEO_FILTERS = [
  { name: 'all', label: 'All videos' },
  { name: 'to-review', label: 'To review' },
  { name: 'decided', label: 'All decided' },
  { name: 'in-progress', label: 'In progress' },
  { name: 'failed', label: 'Failed' },
] as const;
export type VideoFilter = (typeof VIDEO_FILTERS)[number]['name'];

const MATCHES: Readonly<Record<VideoFilter, (video: VideoView) => boolean>> = {
  all: () => true,
  'to-review': (video) => video.state === 'ready' && video.clipCounts.pending > 0,
  decided: (video) => video.state === 'ready' && video.clipCounts.pending === 0,
  'in-progress': (video) => video.state !== 'ready' && video.state !== 'failed',
  failed: (video) => video.state === 'failed',
};

/** The filter that an address names; all for anything else. */
export function toVideoFilter(text: string | null): VideoFilter {
  return VIDEO_FILTERS.find(({ name }) => name === text)?.name ?? 'all';
}

/** The videos whose title or file name holds every word, in any order and case, and whose state matches. */
export function filterVideos(videos: readonly VideoView[], text: string, filter: VideoFilter): VideoView[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return videos.filter((video) => {
    const searched = `${video.title} ${video.fileName}`.toLowerCase();
    return MATCHES[filter](video) && words.every((word) => searched.includes(word));
  });
}
