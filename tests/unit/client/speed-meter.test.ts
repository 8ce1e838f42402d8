import { expect, test } from 'vitest';
import { SpeedMeter } from '#lib/client/speed-meter.ts';

test('tells the speed of the last seconds, and nothing before there is enough', () => {
  const meter = new SpeedMeter();
  expect(meter.measure(0, 0)).toBeNull();
  expect(meter.measure(100, 100)).toBeNull();
  expect(meter.measure(1_000, 1_000)).toBe(1_000);
  // Ten times as fast from here on: after the window nothing of the slow start is left.
  for (let second = 2; second <= 8; second += 1) meter.measure(1_000 + 10_000 * (second - 1), 1_000 * second);
  expect(meter.measure(81_000, 9_000)).toBe(10_000);
  meter.reset();
  expect(meter.measure(81_000, 10_000)).toBeNull();
});
