import type { PartPlan, SeenCut } from '#lib/core/encode-parts.ts';
import type { FrameRate } from '#lib/core/frame-rate.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** How a video is encoded in parts. */
export interface EncodePlan {
  readonly frameRate: FrameRate;
  readonly hasAudio: boolean;
  /** Null until the sound is encoded. */
  readonly proxySoundKey: string | null;
  readonly masterSoundKey: string | null;
}

/** What a runner has made of a part. */
export interface PartResult {
  readonly endFrame: number;
  readonly proxyKey: string;
  readonly masterKey: string;
  readonly width: number;
  readonly height: number;
  readonly cuts: readonly SeenCut[];
  readonly params: Readonly<Record<string, unknown>>;
  readonly headDigest: string;
  readonly tailDigest: string;
}

/** A part of a plan; `result` is null until it is encoded. */
export interface PartRow extends PartPlan {
  readonly result: PartResult | null;
}

/** Writes down how a video is split, unless that has been done: then the plan that is there stays. */
export async function insertPlan(
  tx: Transaction,
  videoId: number,
  plan: Pick<EncodePlan, 'frameRate' | 'hasAudio'>,
  parts: readonly PartPlan[],
): Promise<void> {
  const made = await tx`
    insert into encode_plans (video_id, frame_rate_num, frame_rate_den, has_audio)
    values (${videoId}, ${plan.frameRate.num}, ${plan.frameRate.den}, ${plan.hasAudio})
    on conflict do nothing returning video_id`;
  if (made.length === 0) return;
  for (const { startFrame, endFrame } of parts) {
    await tx`insert into encode_parts (video_id, start_frame, end_frame) values (${videoId}, ${startFrame}, ${endFrame})`;
  }
}

/** A video's plan with its parts in order; null when it is not encoded in parts, or not any more. */
export async function findPlan(sql: Sql, videoId: number): Promise<{ plan: EncodePlan; parts: PartRow[] } | null> {
  const [row] = await sql<(Omit<EncodePlan, 'frameRate'> & { num: number; den: number })[]>`
    select frame_rate_num as num, frame_rate_den as den, has_audio as "hasAudio",
           proxy_sound_key as "proxySoundKey", master_sound_key as "masterSoundKey"
    from encode_plans where video_id = ${videoId}`;
  if (row === undefined) return null;
  const { num, den, ...plan } = row;
  const parts = await sql<(PartPlan & { proxyKey: string | null } & Omit<PartResult, 'endFrame' | 'proxyKey'>)[]>`
    select start_frame as "startFrame", end_frame as "endFrame", proxy_key as "proxyKey", master_key as "masterKey",
           width, height, cuts, params, head_digest as "headDigest", tail_digest as "tailDigest"
    from encode_parts where video_id = ${videoId} order by start_frame`;
  return {
    plan: { ...plan, frameRate: { num, den } },
    parts: parts.map(({ startFrame, endFrame, proxyKey, ...result }) => ({
      startFrame,
      endFrame,
      result: proxyKey === null || endFrame === null ? null : { ...result, endFrame, proxyKey },
    })),
  };
}

/** Stores what a runner has made of a part. */
export async function setPartResult(tx: Transaction, videoId: number, startFrame: number, result: PartResult): Promise<void> {
  await tx`
    update encode_parts
    set end_frame = ${result.endFrame}, proxy_key = ${result.proxyKey}, master_key = ${result.masterKey}, width = ${result.width},
        height = ${result.height}, cuts = ${tx.json(result.cuts as never)}, params = ${tx.json(result.params as never)},
        head_digest = ${result.headDigest}, tail_digest = ${result.tailDigest}
    where video_id = ${videoId} and start_frame = ${startFrame}`;
}

/** Stores where the sound lies, or with null that there is none that can be decoded. */
export async function setPlanSound(
  tx: Transaction,
  videoId: number,
  sound: { readonly proxySoundKey: string; readonly masterSoundKey: string } | null,
): Promise<void> {
  await tx`
    update encode_plans
    set has_audio = ${sound !== null}, proxy_sound_key = ${sound?.proxySoundKey ?? null}, master_sound_key = ${sound?.masterSoundKey ?? null}
    where video_id = ${videoId}`;
}

/** Forgets the plan and its parts: they are joined, or are of no use. */
export async function deletePlan(tx: Transaction, videoId: number): Promise<void> {
  await tx`delete from encode_plans where video_id = ${videoId}`;
}
