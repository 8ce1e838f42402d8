import type { FrameSpan } from '#lib/core/cuts.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** The cut frames of a video strictly inside a span, rising. */
export async function cutFramesInside(sql: Sql, videoId: number, span: FrameSpan): Promise<number[]> {
  const rows = await sql<{ frame: number }[]>`
    select frame from cuts where video_id = ${videoId} and frame > ${span.startFrame} and frame < ${span.endFrame} order by frame`;
  return rows.map((row) => row.frame);
}

/** Replaces the cuts strictly inside a span by those given; a cut that stays keeps its kind. */
export async function replaceCuts(
  tx: Transaction,
  videoId: number,
  span: FrameSpan,
  frames: readonly number[],
  actorId: number,
): Promise<void> {
  await tx`
    delete from cuts where video_id = ${videoId} and frame > ${span.startFrame} and frame < ${span.endFrame}
      and frame <> all(${[...frames]}::int[])`;
  await tx`
    insert into cuts (video_id, frame, kind, created_by)
    select ${videoId}, frame, 'manual', ${actorId} from unnest(${[...frames]}::int[]) as t (frame)
    on conflict do nothing`;
}

/** Stores the cuts that scene detection found. */
export async function insertDetectedCuts(
  tx: Transaction,
  videoId: number,
  cuts: readonly { readonly frame: number; readonly kind: string; readonly score: number }[],
): Promise<void> {
  await tx`
    insert into cuts (video_id, frame, kind, score)
    select ${videoId}, frame, kind, score
    from unnest(${cuts.map((cut) => cut.frame)}::int[], ${cuts.map((cut) => cut.kind)}::text[], ${cuts.map((cut) => cut.score)}::real[]) as t (frame, kind, score)`;
}
