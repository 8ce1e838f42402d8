import { expect, test } from 'vitest';
import { Selection } from '#lib/client/selection.svelte.ts';

test('a range goes from the row chosen last, either way, and leaves out what can’t be chosen', () => {
  const selection = new Selection(() => [10, 20, 30, 50]);
  selection.choose(30, true);
  selection.choose(10, true, true);
  expect(selection.ids).toEqual([10, 20, 30]);
  selection.choose(50, true, true);
  expect(selection.ids).toEqual([10, 20, 30, 50]);
  selection.choose(20, false, true);
  expect(selection.ids).toEqual([10]);
});

test('a row that has gone is no longer chosen, and a range from it is one row', () => {
  let order = [1, 2, 3];
  const selection = new Selection(() => order);
  selection.choose(1, true);
  order = [2, 3];
  expect(selection.ids).toEqual([]);
  selection.choose(3, true, true);
  expect(selection.ids).toEqual([3]);
});
