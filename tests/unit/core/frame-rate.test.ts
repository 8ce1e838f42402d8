import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { frameToSeconds, secondsToFrame, toTimecode } from '#lib/core/frame-rate.ts';

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
