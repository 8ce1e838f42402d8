import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { frameToSeconds, fromTimecode, isDropFrame, secondsToFrame, toTimecode } from '#lib/core/frame-rate.ts';

const NTSC = { num: 30000, den: 1001 };

describe('timecode', () => {
  it('counts plain frames at 25 fps', () => {
    expect(toTimecode(25 * 3661 + 7, { num: 25, den: 1 })).toBe('01:01:01:07');
  });

  it('skips two numbers each minute but every tenth in drop-frame', () => {
    expect(toTimecode(1799, NTSC)).toBe('00:00:59;29');
    expect(toTimecode(1800, NTSC)).toBe('00:01:00;02');
    expect(toTimecode(17981, NTSC)).toBe('00:09:59;29');
    expect(toTimecode(17982, NTSC)).toBe('00:10:00;00');
    expect(toTimecode(107892, NTSC)).toBe('01:00:00;00');
  });

  it('never gives the same timecode to two frames in a row, nor a dropped number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_000_000 }), (frame) => {
        const here = toTimecode(frame, NTSC);
        expect(here).not.toBe(toTimecode(frame + 1, NTSC));
        const [, minutes, rest] = here.split(':');
        if (Number(minutes) % 10 !== 0) expect(rest).not.toMatch(/^00;0[01]$/);
      }),
    );
  });
});

describe('a source with a timecode of its own', () => {
  const RATES = [
    ...[24, 25, 30, 48, 50, 60].map((num) => ({ num, den: 1 })),
    ...[24000, 30000, 48000, 60000].map((num) => ({ num, den: 1001 })),
  ];

  it('counts from it, drop-frame or not', () => {
    expect(toTimecode(0, { num: 25, den: 1, startTimecodeFrame: 90_000 })).toBe('01:00:00:00');
    expect(toTimecode(1800, { ...NTSC, isDropFrame: false })).toBe('00:01:00:00');
    expect(fromTimecode('01:00:00;00', NTSC)).toBe(107_892);
    expect(fromTimecode('01:00:00:00', NTSC)).toBe(108_000);
    expect(toTimecode(2, { num: 25, den: 1, startTimecodeFrame: 24 * 3600 * 25 - 1 })).toBe('00:00:00:01');
  });

  it('is read as it is written, at every rate, to the end of the day', () => {
    fc.assert(
      fc.property(fc.constantFrom(...RATES), fc.boolean(), fc.double({ min: 0, max: 0.9999999, noNaN: true }), (rate, isDrop, at) => {
        const timebase = { ...rate, isDropFrame: isDrop };
        const nominal = Math.round(rate.num / rate.den);
        const framesInDay = isDropFrame(timebase) ? (nominal * 600 - 9 * (nominal / 15)) * 144 : nominal * 86_400;
        const frame = Math.floor(at * framesInDay);
        expect(fromTimecode(toTimecode(frame, timebase), rate)).toBe(frame);
      }),
      { numRuns: 500 },
    );
  });

  it('is not read from what is no timecode', () => {
    for (const text of ['', '1:2:3:4', '24:00:00:00', '00:60:00:00', '00:00:00:25', '00:00:00:0x', '00:00:00']) {
      expect(fromTimecode(text, { num: 25, den: 1 }), text).toBeNull();
    }
    expect(fromTimecode('00:01:00;00', NTSC)).toBeNull();
  });
});

describe('frames and seconds', () => {
  it('come back to the same frame at any rate', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3_000_000 }),
        fc.constantFrom(NTSC, { num: 24000, den: 1001 }, { num: 25, den: 2 }, { num: 179, den: 6 }),
        (frame, rate) => {
          expect(secondsToFrame(frameToSeconds(frame, rate), rate)).toBe(frame);
        },
      ),
    );
  });
});
