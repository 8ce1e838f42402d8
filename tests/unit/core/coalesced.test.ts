import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { coalesced } from '#lib/core/coalesced.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a flood of calls is one run, and one more after the rest for those that came meanwhile', async () => {
  const run = vi.fn(async () => undefined);
  const call = coalesced(run, 1_000);
  for (let index = 0; index < 50; index += 1) void call();
  await vi.advanceTimersByTimeAsync(500);
  expect(run).toHaveBeenCalledTimes(1);
  for (let index = 0; index < 50; index += 1) void call();
  await vi.advanceTimersByTimeAsync(500);
  expect(run).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(run).toHaveBeenCalledTimes(2);
});

test('asked for while it runs, it runs once more, also without a rest', async () => {
  let finish = () => undefined as void;
  const run = vi.fn(() => new Promise<void>((resolve) => (finish = resolve)));
  const call = coalesced(run);
  const done = call();
  await vi.advanceTimersByTimeAsync(0);
  void call();
  finish();
  await vi.advanceTimersByTimeAsync(0);
  expect(run).toHaveBeenCalledTimes(2);
  finish();
  await done;
});

test('a run that fails does not stop the later ones', async () => {
  const run = vi.fn(() => Promise.reject(new Error('offline')));
  const call = coalesced(run);
  await expect(call()).rejects.toThrow('offline');
  await expect(call()).rejects.toThrow('offline');
  expect(run).toHaveBeenCalledTimes(2);
});
