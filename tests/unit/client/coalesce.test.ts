import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { coalesce } from '#lib/client/coalesce.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a flood of calls is one run at once and one after the rest', async () => {
  const run = vi.fn(async () => undefined);
  const call = coalesce(run, 1_000);
  for (let index = 0; index < 50; index += 1) call();
  expect(run).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(run).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(run).toHaveBeenCalledTimes(2);
});

test('a run that fails does not stop the later ones', async () => {
  const run = vi.fn(() => Promise.reject(new Error('offline')));
  const call = coalesce(run, 10);
  call();
  await vi.advanceTimersByTimeAsync(10);
  call();
  expect(run).toHaveBeenCalledTimes(2);
});
