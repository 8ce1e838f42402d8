import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { spanLength } from '#lib/core/cuts.ts';
import { framesPerSecond, isDropFrame, type Timebase } from '#lib/core/frame-rate.ts';
import { oneLine, recordFrames, sourceFrame, type CutEvent, type CutList } from '#lib/core/interchange/cut-list.ts';
import { writeEdl } from '#lib/core/interchange/write-edl.ts';
import { writeFcpxml } from '#lib/core/interchange/write-fcpxml.ts';
import { writeOtio } from '#lib/core/interchange/write-otio.ts';
import { sessionListFile, videoListFile } from '#lib/server/features/interchange.ts';
import { createSession } from '#lib/server/features/run-session.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import { comment } from '#lib/server/features/talk.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

interface ReadClip {
  readonly name: string;
  readonly sourceStart: [number, number];
  readonly duration: [number, number];
  readonly recordStart: [number, number];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly markers: readonly { text: string; start: [number, number]; duration: [number, number] }[];
}

/** What OpenTimelineIO reads in some lists. */
function readBack(requests: readonly { adapter: string; text: string; rate: number }[]): { name: string; clips: ReadClip[] }[] {
  const output = execFileSync(process.env.HEATERS_PYTHON ?? 'python3', ['tests/support/read_cut_list.py'], {
    input: JSON.stringify(requests),
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return JSON.parse(output.toString()) as { name: string; clips: ReadClip[] }[];
}

const RATES: readonly Timebase[] = [
  ...[24, 25, 30, 48, 50, 60].map((num) => ({ num, den: 1 })),
  ...[24000, 30000, 60000].map((num) => ({ num, den: 1001 })),
];
const words = fc.string({
  unit: fc.constantFrom('a', 'Z', 'ü', '<', '&', '"', "'", ',', ' ', '\n', '影', '=', '*', ':'),
  minLength: 1,
  maxLength: 12,
});

/** Lists of clips at frames that nobody would choose, from a source with a timecode of its own. */
const lists = fc
  .record({
    rate: fc.constantFrom(...RATES),
    hours: fc.integer({ min: 0, max: 3 }),
    title: words,
    lengths: fc.array(
      fc.record({ skip: fc.integer({ min: 0, max: 4_000 }), frames: fc.integer({ min: 1, max: 3_000 }), name: words, text: words }),
      {
        minLength: 1,
        maxLength: 12,
      },
    ),
  })
  .map(({ rate, hours, title, lengths }): CutList => {
    const timebase = { ...rate, startTimecodeFrame: Math.round((hours * 3600 * rate.num) / rate.den) };
    const source = {
      videoId: 1,
      title: `F ${title}`,
      fileName: 'A001.mov',
      timebase,
      frameCount: 100_000,
      width: 1920,
      height: 1080,
      hasAudio: true,
    };
    let frame = 0;
    const events = lengths.map(({ skip, frames, name, text }, index): CutEvent => {
      const startFrame = frame + skip;
      frame = startFrame + frames;
      const marker = { startFrame: startFrame + (frames >> 1), endFrame: startFrame + (frames >> 1) + 1, text, author: 'Ann' };
      return {
        ...{ clipId: index, source, name: `C${index} ${name}`, startFrame, endFrame: frame, state: 'approved', tags: [], stars: null },
        ...{ decidedBy: null, decidedAt: null, markers: index % 2 === 0 ? [marker] : [] },
      };
    });
    return { title: `T ${title}`, events };
  });

const SAMPLES = fc.sample(lists, { numRuns: 120, seed: 7 });
const rateOf = (list: CutList) => list.events[0]!.source.timebase;
const textOf = (written: ReturnType<typeof writeEdl>) => {
  if (written.kind === 'refused') throw new Error(written.message);
  return written.text;
};

describe('what OpenTimelineIO reads is what was written, to the frame', () => {
  it('in its own format', () => {
    const read = readBack(SAMPLES.map((list) => ({ adapter: 'otio_json', text: textOf(writeOtio(list)), rate: 0 })));
    for (const [index, list] of SAMPLES.entries()) {
      const starts = recordFrames(list.events);
      expect(read[index]!.name).toBe(list.title);
      expect(
        read[index]!.clips.map((clip) => [clip.name, clip.sourceStart[0], clip.duration[0], clip.recordStart[0], clip.sourceStart[1]]),
      ).toEqual(
        list.events.map((event, at) => [
          event.name,
          sourceFrame(event, event.startFrame),
          spanLength(event),
          starts[at],
          framesPerSecond(rateOf(list)),
        ]),
      );
      expect(read[index]!.clips.flatMap((clip) => clip.markers.map((marker) => [marker.text, marker.start[0]]))).toEqual(
        list.events.flatMap((event) => event.markers.map((marker) => [`Ann: ${marker.text}`, sourceFrame(event, marker.startFrame)])),
      );
    }
  });

  it('in an EDL, drop-frame too', () => {
    const read = readBack(
      SAMPLES.map((list) => ({ adapter: 'cmx_3600', text: textOf(writeEdl(list)), rate: framesPerSecond(rateOf(list)) })),
    );
    expect(SAMPLES.some((list) => isDropFrame(rateOf(list)))).toBe(true);
    for (const [index, list] of SAMPLES.entries()) {
      const starts = recordFrames(list.events);
      expect(read[index]!.clips.map((clip) => [clip.name, clip.sourceStart[0], clip.duration[0], clip.recordStart[0]])).toEqual(
        list.events.map((event, at) => [oneLine(event.name), sourceFrame(event, event.startFrame), spanLength(event), starts[at]]),
      );
      // Of locators the reader knows only those with plain counting.
      if (isDropFrame(rateOf(list))) continue;
      const hour = 3600 * Math.round(framesPerSecond(rateOf(list)));
      expect(read[index]!.clips.flatMap((clip) => clip.markers.map((marker) => [marker.text, marker.start[0]]))).toEqual(
        list.events.flatMap((event, at) =>
          event.markers.map((marker) => [oneLine(`Ann: ${marker.text}`), hour + starts[at]! + marker.startFrame - event.startFrame]),
        ),
      );
    }
  });

  it('in Final Cut Pro XML', () => {
    const read = readBack(SAMPLES.map((list) => ({ adapter: 'fcpx_xml', text: textOf(writeFcpxml(list)), rate: 0 })));
    for (const [index, list] of SAMPLES.entries()) {
      const starts = recordFrames(list.events);
      expect(read[index]!.clips.map((clip) => [clip.name, clip.sourceStart[0], clip.duration[0], clip.recordStart[0]])).toEqual(
        list.events.map((event, at) => [event.name, sourceFrame(event, event.startFrame), spanLength(event), starts[at]]),
      );
      expect(read[index]!.clips.flatMap((clip) => clip.markers.map((marker) => [marker.text, marker.start[0]]))).toEqual(
        list.events.flatMap((event) => event.markers.map((marker) => [`Ann: ${marker.text}`, sourceFrame(event, marker.startFrame)])),
      );
    }
  });
});

describe('the list of a video or a session', () => {
  let env: TestEnvironment;
  beforeAll(async () => {
    env = await openEnvironment();
  });
  afterAll(() => env.close());

  it('holds its decisions and comments, for those who may see it', async () => {
    const [ann, ben] = [await env.addPerson('Ann', 'reviewer'), await env.addPerson('Ben', 'reviewer')];
    const videoId = await env.addVideo(ann, 100, [30, 60]);
    const [first, second] = await clipsOfVideo(env.sql, videoId);
    const command = { commandId: crypto.randomUUID(), clipId: second!.id, version: second!.version, kind: 'approve' } as const;
    expect((await reviewClip(env.sql, ann, command)).kind).toBe('ok');
    const id = crypto.randomUUID();
    const place = { videoId, parentId: null, startFrame: 45, endFrame: 70 };
    expect((await comment(env.sql, ann, { kind: 'add', id, ...place, body: 'See here' })).kind).toBe('ok');

    const none = await videoListFile(env.sql, 999, 'edl', 'all');
    expect(none.kind).toBe('gone');
    const approved = await videoListFile(env.sql, videoId, 'otio', 'approved');
    const [timeline] = readBack([{ adapter: 'otio_json', text: approved.kind === 'ok' ? approved.text : '', rate: 0 }]);
    expect(timeline!.clips).toMatchObject([
      {
        sourceStart: [30, 25],
        duration: [30, 25],
        metadata: { clipId: second!.id, state: 'approved', decidedBy: 'Ann' },
        markers: [{ text: 'Ann: See here', start: [45, 25], duration: [15, 25] }],
      },
    ]);
    const all = await videoListFile(env.sql, videoId, 'csv', 'all');
    expect(all.kind === 'ok' && all.text.trim().split('\r\n')).toHaveLength(4);
    expect(all.kind === 'ok' && all.text).toContain(`\r\n${first!.id},`);

    const wish = { title: 'Day 1', mode: 'together', votesNeeded: 1, source: { kind: 'videos', videoIds: [videoId] } } as const;
    const created = await createSession(env.sql, ann, wish);
    const sessionId = created.kind === 'ok' ? created.sessionId : 0;
    const own = await sessionListFile(env.sql, ann, sessionId, 'edl', 'approved');
    expect(own.kind === 'ok' && own.text).toMatch(/00:00:01:05 00:00:02:10 01:00:00:00 01:00:01:05/);
    expect((await sessionListFile(env.sql, ben, sessionId, 'edl', 'approved')).kind).toBe('gone');
  });
});
