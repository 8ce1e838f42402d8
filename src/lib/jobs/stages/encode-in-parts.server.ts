import { mergeSeenCuts, planParts, SEAM_FRAMES, settledEnd, type SeenCut } from '#lib/core/encode-parts.ts';
import { framesToDurationMs } from '#lib/core/frame-rate.ts';
import type { EncodedSource } from '#lib/core/source.ts';
import type { StageContext } from '#lib/jobs/handler.server.ts';
import { config } from '#lib/server/config.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import { growClips } from '#lib/server/features/grow-clips.ts';
import { log } from '#lib/server/log.ts';
import { probeSource } from '#lib/server/media/probe.ts';
import { encodePart, encodeSound, joinParts } from '#lib/server/pool/tasks/encode-parts.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import {
  findPlan,
  insertPlan,
  setPartResult,
  setPlanSound,
  type EncodePlan,
  type PartResult,
  type PartRow,
} from '#lib/server/stores/encode-parts.ts';
import { lockVideo, publishVideo, type EncodedVideo } from '#lib/server/stores/videos.ts';

/** A part whose result is there. */
type DonePart = PartRow & { readonly result: PartResult };
/** What the parts make together, with the scenes that they saw. */
type JoinedVideo = EncodedVideo & { readonly scenes: NonNullable<EncodedVideo['scenes']> };

/** Splits a source that is long enough, and whose container can be sought in. Gives what it is; null where it is to be encoded at once. */
export async function planFor(sql: Database, videoId: number, sourceKey: string): Promise<EncodedSource | null> {
  const probe = await probeSource(await objectStore().inputFor(sourceKey));
  if (probe.kind === 'refused' || !probe.facts.isSeekable) return null;
  const { frameRate, sound, pictureMs, durationMs, description } = probe.facts;
  if ((await findPlan(sql, videoId)) !== null) return description;
  const lengthMs = pictureMs ?? durationMs;
  const framesOf = (ms: number) => Math.round((ms * frameRate.num) / (1000 * frameRate.den));
  const partFrames = Math.max(2 * SEAM_FRAMES, framesOf(config().encodePartSeconds * 1000));
  if (lengthMs === null || framesOf(lengthMs) < 2 * partFrames) return null;
  const parts = planParts(framesOf(lengthMs), partFrames);
  await sql.begin((tx) => insertPlan(tx, videoId, { frameRate, hasAudio: sound !== null }, parts));
  return description;
}

/**
 * Has the parts of a video encoded, as many at once as there are machines, and joined. Each part is stored
 * when it is done, and the clips of the beginning are there as soon as it is. Gives null where the parts do
 * not fit each other, as with a damaged index: then the source is to be encoded at once.
 */
export async function encodeInParts(context: StageContext, sourceKey: string, source: EncodedSource): Promise<JoinedVideo | null> {
  const { sql, videoId, call, begin, signal } = context;
  const found = await findPlan(sql, videoId);
  if (found === null) return null;
  const { plan, parts } = found;
  const progress = new PartProgress(parts, context.report);
  const failed = new AbortController();
  // Whichever part fails first stops the others.
  const guard = <T>(work: Promise<T>) =>
    work.catch((error: unknown) => {
      failed.abort(error);
      throw error;
    });

  const sounding = async () => {
    if (!plan.hasAudio || plan.proxySoundKey !== null) return;
    const sound = await begin(encodeSound, { videoId, sourceKey }, { name: 'sound', signal: failed.signal, onProgress: () => undefined });
    await sql.begin(async (tx) => {
      if ((await lockVideo(tx, videoId)) === null) return;
      await sound.commit(tx);
      await setPlanSound(tx, videoId, sound.output);
      await growFromParts(tx, videoId);
    });
  };
  const encoding = async (part: PartRow, index: number) => {
    if (part.result !== null) return;
    const { startFrame, endFrame } = part;
    const input = { videoId, sourceKey, startFrame, endFrame, expectedFrames: progress.lengthOf(index) };
    const onProgress = ({ percent, fps }: { percent: number | null; fps: number | null }) => progress.note(index, percent ?? 0, fps ?? 0);
    const encoded = await begin(encodePart, input, { name: `part-${startFrame}`, signal: failed.signal, onProgress });
    await sql.begin(async (tx) => {
      if ((await lockVideo(tx, videoId)) === null) return;
      await encoded.commit(tx);
      await setPartResult(tx, videoId, startFrame, encoded.output);
      await growFromParts(tx, videoId);
    });
    progress.note(index, 100, 0);
  };
  // All are awaited: none may go on when this returns.
  const results = await Promise.allSettled([guard(sounding()), ...parts.map((part, index) => guard(encoding(part, index)))]);
  signal.throwIfAborted();
  if (results.some(({ status }) => status === 'rejected')) throw failed.signal.reason;

  const whole = await findPlan(sql, videoId);
  if (whole === null) return null;
  const done = fittingParts(whole.parts);
  if (done.length < whole.parts.length) {
    log.warn(
      { videoId, fitting: done.length, parts: whole.parts.length },
      'the parts of a source do not fit each other: it is encoded at once',
    );
    return null;
  }
  const joined = await call(joinParts, {
    videoId,
    frameRate: plan.frameRate,
    frameCounts: done.map(({ startFrame, result }) => result.endFrame - startFrame),
    proxy: { keys: done.map(({ result }) => result.proxyKey), soundKey: whole.plan.proxySoundKey },
    master: { keys: done.map(({ result }) => result.masterKey), soundKey: whole.plan.masterSoundKey },
  });
  return { ...describe(whole.plan, done), ...joined, source };
}

function describe({ frameRate, hasAudio }: EncodePlan, parts: readonly DonePart[]) {
  const last = parts.at(-1)!.result;
  const frameCount = last.endFrame;
  return {
    ...{ width: last.width, height: last.height, frameRate, frameCount, hasAudio },
    durationMs: framesToDurationMs(frameCount, frameRate),
    scenes: { frameCount, cuts: cutsOf(parts), params: last.params },
  };
}

/** The parts from the first one on that are encoded and agree with their neighbours. */
function fittingParts(parts: readonly PartRow[]): DonePart[] {
  const fitting: DonePart[] = [];
  for (const part of parts) {
    if (part.result === null) break;
    const before = fitting.at(-1);
    if (before !== undefined && before.result.tailDigest !== part.result.headDigest) break;
    fitting.push({ ...part, result: part.result });
  }
  return fitting;
}

function cutsOf(parts: readonly DonePart[]): SeenCut[] {
  return mergeSeenCuts(parts.map(({ startFrame, result }) => ({ span: { startFrame, endFrame: result.endFrame }, cuts: result.cuts })));
}

/** Cuts the beginning of a video into clips, as far as its parts are there. Reviewers can begin with it. */
async function growFromParts(tx: Transaction, videoId: number): Promise<void> {
  const found = await findPlan(tx, videoId);
  if (found === null || (found.plan.hasAudio && found.plan.proxySoundKey === null)) return;
  const parts = fittingParts(found.parts);
  const last = parts.at(-1);
  if (last === undefined) return;
  const cuts = cutsOf(parts);
  await growClips(tx, videoId, { cuts, endFrame: settledEnd(cuts, last.result.endFrame), frameRate: found.plan.frameRate });
  await publishVideo(tx, videoId, null);
}

/** The progress of a video out of those of its parts. */
class PartProgress {
  readonly #lengths: number[];
  readonly #percents: number[];
  readonly #fps: number[];
  readonly #report: StageContext['report'];
  readonly #startedAtMs = Date.now();
  readonly #percentAtStart: number;

  constructor(parts: readonly PartRow[], report: StageContext['report']) {
    const typical = (parts[1]?.startFrame ?? 1) - (parts[0]?.startFrame ?? 0);
    this.#lengths = parts.map(({ startFrame, endFrame }) => (endFrame === null ? typical : endFrame - startFrame));
    this.#percents = parts.map(({ result }) => (result === null ? 0 : 100));
    this.#fps = parts.map(() => 0);
    this.#report = report;
    this.#percentAtStart = this.#percent;
  }

  /** How many frames a part has, about. */
  lengthOf(index: number): number {
    return this.#lengths[index] ?? 0;
  }

  /** Notes how far a part is, and reports what that makes of the whole. */
  note(index: number, percent: number, fps: number): void {
    this.#percents[index] = percent;
    this.#fps[index] = fps;
    const done = this.#percent - this.#percentAtStart;
    const elapsedMs = Date.now() - this.#startedAtMs;
    this.#report({
      percent: Math.min(99, this.#percent),
      fps: this.#fps.reduce((sum, each) => sum + each, 0),
      etaMs: done > 0 ? Math.round((elapsedMs * (100 - this.#percent)) / done) : null,
    });
  }

  get #percent(): number {
    const total = this.#lengths.reduce((sum, length) => sum + length, 0);
    return this.#lengths.reduce((sum, length, index) => sum + length * (this.#percents[index] ?? 0), 0) / total;
  }
}
