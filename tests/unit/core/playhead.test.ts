import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { clockOffsetMs, correctionFor, driftFrames, playheadFrame, type Playhead } from '#lib/core/playhead.ts';

const rate = { num: 25, den: 1 };
const NOW_MS = 1_700_000_000_000;
const playing: Playhead = { clipId: 1, startFrame: 100, endFrame: 200, frame: 150, atMs: NOW_MS, isPlaying: true, speed: 1, loop: null };

const double = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const anyPlayhead = fc
  .record({
    startFrame: fc.integer({ min: 0, max: 500_000 }),
    length: fc.integer({ min: 1, max: 5_000 }),
    inside: double(0, 1),
    speed: double(0.1, 4),
    loopFrom: double(0, 1),
    hasLoop: fc.boolean(),
  })
  .map(({ startFrame, length, inside, speed, loopFrom, hasLoop }): Playhead => {
    const endFrame = startFrame + length;
    const loopStart = Math.min(endFrame - 1, Math.floor(startFrame + loopFrom * length));
    const loop = hasLoop ? { startFrame: loopStart, endFrame } : null;
    return { ...playing, startFrame, endFrame, speed, loop, frame: startFrame + inside * length };
  });

describe('a playhead', () => {
  it('stands where it was while it is paused', () => {
    expect(playheadFrame({ ...playing, isPlaying: false }, NOW_MS + 60_000, rate)).toBe(150);
  });

  it('runs at its speed', () => {
    expect(playheadFrame(playing, NOW_MS + 1_000, rate)).toBe(175);
    expect(playheadFrame({ ...playing, speed: 0.5 }, NOW_MS + 1_000, rate)).toBe(162.5);
  });

  it('begins again at the end of its clip, or of its loop', () => {
    expect(playheadFrame(playing, NOW_MS + 2_000, rate)).toBe(100);
    expect(playheadFrame({ ...playing, loop: { startFrame: 140, endFrame: 160 } }, NOW_MS + 1_000, rate)).toBe(155);
  });

  it('never runs backwards when clocks differ', () => {
    expect(playheadFrame(playing, NOW_MS - 5_000, rate)).toBe(150);
  });

  it('stays inside the loop whenever one looks', () => {
    fc.assert(
      fc.property(anyPlayhead, fc.integer({ min: 0, max: 86_400_000 }), (playhead, laterMs) => {
        const { startFrame, endFrame } = playhead.loop ?? playhead;
        const frame = playheadFrame(playhead, NOW_MS + laterMs, { num: 30_000, den: 1_001 });
        expect(frame).toBeGreaterThanOrEqual(startFrame);
        expect(frame).toBeLessThan(endFrame);
      }),
    );
  });
});

describe('a drift', () => {
  it('is counted the short way round the loop', () => {
    expect(driftFrames(199, 101, 100)).toBe(-2);
    expect(driftFrames(101, 199, 100)).toBe(2);
    fc.assert(
      fc.property(double(-1e5, 1e5), double(-1e5, 1e5), fc.integer({ min: 1, max: 10_000 }), (actual, expected, length) => {
        const drift = driftFrames(actual, expected, length);
        expect(Math.abs(drift)).toBeLessThanOrEqual(length / 2);
        // The drift and the plain difference are whole loops apart.
        const loops = (actual - expected - drift) / length;
        expect(loops).toBeCloseTo(Math.round(loops), 4);
      }),
    );
  });

  it('becomes smaller by every correction, and never turns into its opposite', () => {
    fc.assert(
      fc.property(double(-2_000, 2_000), double(0.1, 4), (driftMs, speed) => {
        const correction = correctionFor(driftMs, speed);
        if (correction.kind === 'none') expect(Math.abs(driftMs)).toBeLessThanOrEqual(15);
        if (correction.kind !== 'speed') return;
        expect(correction.speed).toBeGreaterThan(0);
        const aSecondLater = driftMs + (correction.speed - speed) * 1_000;
        expect(Math.abs(aSecondLater)).toBeLessThan(Math.abs(driftMs));
        expect(aSecondLater * driftMs).toBeGreaterThanOrEqual(-1e-6);
      }),
    );
  });

  it('of more than a quarter of a second is jumped over', () => {
    expect(correctionFor(400, 1)).toEqual({ kind: 'seek' });
    expect(correctionFor(-400, 1)).toEqual({ kind: 'seek' });
    expect(correctionFor(400, 2)).toMatchObject({ kind: 'speed' });
  });
});

describe('the server’s clock', () => {
  it('is known to half the shortest way there and back', () => {
    const exchange = fc.record({ sentMs: fc.nat(1_000_000), thereMs: fc.nat(2_000), backMs: fc.nat(2_000) });
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.array(exchange, { minLength: 1, maxLength: 6 }), (aheadMs, exchanges) => {
        const samples = exchanges.map(({ sentMs, thereMs, backMs }) => ({
          sentMs,
          serverMs: sentMs + thereMs + aheadMs,
          receivedMs: sentMs + thereMs + backMs,
        }));
        const shortestMs = Math.min(...exchanges.map(({ thereMs, backMs }) => thereMs + backMs));
        expect(Math.abs(clockOffsetMs(samples) - aheadMs)).toBeLessThanOrEqual(shortestMs / 2);
      }),
    );
  });

  it('can’t be told from nothing', () => {
    expect(() => clockOffsetMs([])).toThrow(TypeError);
  });
});
