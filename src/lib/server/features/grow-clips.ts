import { spansBetweenCuts } from '#lib/core/cuts.ts';
import type { FrameRate } from '#lib/core/frame-rate.ts';
import type { Transaction } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { clippedEnd, clipsFrom, insertClips, publishClips } from '#lib/server/stores/clips.ts';
import { insertDetectedCuts } from '#lib/server/stores/cuts.ts';
import { setVideoReach } from '#lib/server/stores/videos.ts';

/** How many clips are made playable before anyone asks. */
const CLIPS_AHEAD = 3;

interface FoundCut {
  readonly frame: number;
  readonly kind: 'cut' | 'dissolve' | 'fade';
  readonly score: number;
}

/**
 * Cuts a video into clips as far as `endFrame`, from where its clips end by now, and tells its page. What is
 * cut already is left as reviewers have it; where the video reaches so far, nothing happens. The caller holds its lock.
 */
export async function growClips(
  tx: Transaction,
  videoId: number,
  { cuts, endFrame, frameRate }: { readonly cuts: readonly FoundCut[]; readonly endFrame: number; readonly frameRate: FrameRate },
): Promise<void> {
  const startFrame = await clippedEnd(tx, videoId);
  if (startFrame >= endFrame) return;
  const inside = cuts.filter((cut) => cut.frame > startFrame && cut.frame < endFrame);
  // Where the clips ended is a cut from now on.
  const seam =
    startFrame === 0 ? [] : [cuts.find((cut) => cut.frame === startFrame) ?? { frame: startFrame, kind: 'cut' as const, score: 0 }];
  await setVideoReach(tx, videoId, { frameRate, frameCount: endFrame });
  await insertDetectedCuts(tx, videoId, [...seam, ...inside]);
  const spans = spansBetweenCuts(
    inside.map((cut) => cut.frame - startFrame),
    endFrame - startFrame,
  );
  await insertClips(
    tx,
    videoId,
    spans.map((span) => ({ startFrame: span.startFrame + startFrame, endFrame: span.endFrame + startFrame })),
  );
  const added = await clipsFrom(tx, videoId, startFrame);
  await publishClips(tx, videoId, { cause: 'scenes-detected', removedClipIds: [], clipIds: added.map((clip) => clip.id) }, null);
  for (const clip of added.slice(0, CLIPS_AHEAD)) {
    await enqueueStage(tx, 'temp-clip', { itemId: clip.id, videoId }, { revision: `${clip.startFrame}-${clip.endFrame}` });
  }
}
