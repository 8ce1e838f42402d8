import { describe, expect, it } from 'vitest';
import type { CutEvent, CutList, CutSource } from '#lib/core/interchange/cut-list.ts';
import { writeCsv } from '#lib/core/interchange/write-csv.ts';
import { writeEdl } from '#lib/core/interchange/write-edl.ts';
import { writeFcpxml } from '#lib/core/interchange/write-fcpxml.ts';

const source: CutSource = {
  ...{ videoId: 1, title: 'Dailies', fileName: 'A001_C003.mov', frameCount: 1_000, width: 1920, height: 1080, hasAudio: true },
  timebase: { num: 25, den: 1, startTimecodeFrame: 25 * 3600 * 10 },
};
const event = (startFrame: number, endFrame: number, change: Partial<CutEvent> = {}): CutEvent => ({
  ...{ clipId: startFrame, source, name: `Dailies #${startFrame}`, startFrame, endFrame, state: 'approved', tags: [], stars: null },
  ...{ decidedBy: null, decidedAt: null, markers: [], ...change },
});
const list = (...events: CutEvent[]): CutList => ({ title: 'Day 1', events });
const textOf = (written: ReturnType<typeof writeEdl>) => {
  if (written.kind === 'refused') throw new Error(written.message);
  return written.text;
};

describe('an EDL', () => {
  it('has its cuts in the source’s timecode, and the list’s own from one hour on', () => {
    const marker = { startFrame: 30, endFrame: 31, text: 'too\nlong', author: 'Ann' };
    expect(textOf(writeEdl(list(event(25, 75, { markers: [marker] }), event(100, 101))))).toBe(
      [
        'TITLE: Day 1',
        'FCM: NON-DROP FRAME',
        '',
        '001  A001C003 V     C        10:00:01:00 10:00:03:00 01:00:00:00 01:00:02:00',
        '* FROM CLIP NAME: Dailies #25',
        '* SOURCE FILE: A001_C003.mov',
        '* LOC: 01:00:00:05 GREEN   Ann: too long',
        '',
        '002  A001C003 V     C        10:00:04:00 10:00:04:01 01:00:02:00 01:00:02:01',
        '* FROM CLIP NAME: Dailies #100',
        '* SOURCE FILE: A001_C003.mov',
        '',
      ].join('\r\n'),
    );
  });

  it('names each reel once', () => {
    const other = { ...source, videoId: 2, fileName: 'A001_C003.mp4' };
    const third = { ...source, videoId: 3, fileName: '影.mov' };
    const text = textOf(writeEdl(list(event(0, 1), event(1, 2, { source: other }), event(2, 3, { source: third }))));
    expect([...text.matchAll(/^\d{3} {2}(\S+)/gm)].map((match) => match[1])).toEqual(['A001C003', 'A001C002', 'REEL']);
  });

  it('is refused where the format can’t hold the list', () => {
    const at = (num: number, den: number) => ({ ...source, videoId: num, timebase: { num, den } });
    const refusal = (...events: CutEvent[]) => {
      const written = writeEdl(list(...events));
      return written.kind === 'refused' ? written.message : 'written';
    };
    expect(refusal(event(0, 1, { source: at(25, 2) }))).toMatch(/12\.5 frames a second/);
    expect(refusal(event(0, 1), event(0, 1, { source: at(24, 1) }))).toMatch(/different frame rates/);
    expect(refusal()).toMatch(/no clip/);
    expect(refusal(...Array.from({ length: 1_000 }, (_, index) => event(index, index + 1)))).toMatch(/999 clips at most/);
  });
});

describe('a table', () => {
  it('keeps commas, quotes and lines, and lets no cell be a formula', () => {
    const marker = { startFrame: 0, endFrame: 1, text: 'a "b", c', author: 'Ann' };
    const text = textOf(writeCsv(list(event(0, 50, { name: '=HYPERLINK("x")', tags: ['a', 'b'], markers: [marker] }))));
    expect(text.split('\r\n')[1]).toBe(
      `0,"'=HYPERLINK(""x"")",Dailies,A001_C003.mov,approved,0,50,50,10:00:00:00,10:00:02:00,25,2,,"a, b",,,"10:00:00:00 Ann: a ""b"", c"`,
    );
  });
});

describe('Final Cut Pro XML', () => {
  it('counts in fractions and escapes what people wrote', () => {
    const ntsc = { ...source, timebase: { num: 30000, den: 1001, startTimecodeFrame: 2 } };
    const text = textOf(writeFcpxml(list(event(1, 31, { source: ntsc, name: `<b>&"'\u0001 ü` }))));
    expect(text).toContain('frameDuration="1001/30000s"');
    expect(text).toContain('start="3003/30000s" duration="30030/30000s"');
    expect(text).toContain(`name="&#60;b&#62;&#38;&#34;' ü"`);
  });
});
