import { expect, test } from 'vitest';
import { filterVideos, toVideoFilter } from '#lib/client/filter-videos.ts';
import type { VideoView } from '#lib/live/views.ts';

const video = (title: string, state: VideoView['state'], pending = 0) =>
  ({ title, fileName: `${title}.mp4`, state, clipCounts: { pending, approved: 1, skipped: 0, archived: 0 } }) as VideoView;
const VIDEOS = [video('Red Car', 'ready', 2), video('Blue car', 'ready'), video('Boat', 'encoding'), video('Train', 'failed')];
const titles = (text: string, filter: Parameters<typeof filterVideos>[2] = 'all') =>
  filterVideos(VIDEOS, text, filter).map(({ title }) => title);

test('every word must be in the title, in any order and case', () => {
  expect(titles(' CAR ')).toEqual(['Red Car', 'Blue car']);
  expect(titles('car red')).toEqual(['Red Car']);
  expect(titles('car green')).toEqual([]);
});

test('each state is found by its filter', () => {
  expect(titles('', 'to-review')).toEqual(['Red Car']);
  expect(titles('', 'decided')).toEqual(['Blue car']);
  expect(titles('', 'in-progress')).toEqual(['Boat']);
  expect(titles('', 'failed')).toEqual(['Train']);
  expect(toVideoFilter('nonsense')).toBe('all');
});
