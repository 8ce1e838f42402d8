import type { Choice } from '#lib/core/consensus.ts';
import { MAX_ALIKE, type AlikeAnswer, type AlikeClip, type AlikeStanding } from '#lib/live/alike.ts';
import type { AlikeRequest, Refused, ReviewReply } from '#lib/live/commands.ts';
import { parseSearch } from '#lib/live/search.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import { changeStates, replyToBatch } from '#lib/server/features/decision-batch.ts';
import { countVote } from '#lib/server/features/review-clip.ts';
import { refusalToDecide, requireInSession, requireUnderWay, type Actor } from '#lib/server/features/rights.ts';
import { hitsOf, NOT_EMBEDDED } from '#lib/server/features/search-clips.ts';
import { SEARCH_IS_OFF } from '#lib/server/features/search-image.ts';
import { modelState } from '#lib/server/media/embedder.ts';
import { videosOfClips } from '#lib/server/stores/clips.ts';
import { findBatch, insertBatch, standingsOf, type ClipStanding } from '#lib/server/stores/decision-batches.ts';
import { nearestClips, registerModel, vectorOfClip } from '#lib/server/stores/embeddings.ts';
import { latestSeq } from '#lib/server/stores/outbox.ts';
import { lockSession } from '#lib/server/stores/review-sessions.ts';
import { lockVideo } from '#lib/server/stores/videos.ts';

const NO_FILTERS = parseSearch(new URLSearchParams());

/**
 * The clips that are like one, the likest first and the one itself before them, and how each stands for this person:
 * in a session only those that it is about.
 */
export async function alikeClips(
  sql: Database,
  actor: Actor,
  { clipId, sessionId, limit }: { readonly clipId: number; readonly sessionId: number | null; readonly limit: number },
): Promise<AlikeAnswer> {
  if (sessionId !== null) {
    const allowed = await requireInSession(sql, actor, sessionId, 'watch');
    if (allowed.kind === 'refused') return allowed;
  }
  const seq = await latestSeq(sql, 'library');
  const state = await modelState();
  if (state.kind !== 'installed') return { kind: 'refused', message: state.kind === 'none' ? SEARCH_IS_OFF : state.message };
  const model = await registerModel(sql, state.model);
  const vector = await vectorOfClip(sql, model.id, clipId);
  if (vector === null) return { kind: 'refused', message: NOT_EMBEDDED };
  const near = await nearestClips(sql, {
    ...{ model, vector, filters: NO_FILTERS, sessionId, exceptClipId: clipId, after: null },
    limit: Math.min(limit, MAX_ALIKE - 1),
  });
  const hits = await hitsOf(sql, NO_FILTERS, [{ clipId, distance: 0 }, ...near]);
  const clipIds = hits.map((hit) => hit.clip.id);
  const standings = await standingsOf(sql, clipIds, { userId: actor.userId, sessionId, ownClipId: clipId });
  const byId = new Map(standings.map((one) => [one.clipId, one]));
  const clips = hits.flatMap((hit): AlikeClip[] => {
    const one = byId.get(hit.clip.id);
    return one === undefined ? [] : [{ ...hit, likenessPercent: hit.likenessPercent ?? 0, standing: one.standing, who: one.who }];
  });
  return { kind: 'ok', clips, ...state.model.likeness, seq };
}

const DONE: Readonly<Record<Choice, string>> = { approve: 'Approved', skip: 'Skipped', archive: 'Archived' };

/**
 * Decides clips that are like one, as they were on the screen: one fact for each, one command to take all of them back.
 * One that has changed since, or stands otherwise by now, is left, and the answer says so. In a session that takes several
 * votes it votes on each.
 */
export async function decideAlike(sql: Database, actor: Actor, request: AlikeRequest): Promise<ReviewReply> {
  const sessionId = request.sessionId ?? null;
  return sql.begin(async (tx): Promise<ReviewReply> => {
    const earlier = await findBatch(tx, request.commandId);
    if (earlier !== null) return replyToBatch(tx, earlier, DONE[request.kind]);
    const rules = await rulesFor(tx, actor, sessionId);
    if (rules.kind === 'refused') return rules;
    const wanted = new Map(request.clips.map(({ clipId, version }) => [clipId, version]));
    // In this order: of two who decide many at once, one waits for the other.
    const videoIds = await videosOfClips(tx, [...wanted.keys()]);
    for (const videoId of videoIds) await lockVideo(tx, videoId);
    if (sessionId !== null) await lockSession(tx, sessionId);
    const repeated = await findBatch(tx, request.commandId);
    if (repeated !== null) return replyToBatch(tx, repeated, DONE[request.kind]);

    const [own] = await videosOfClips(tx, [request.clipId]);
    if (own === undefined) return { kind: 'conflict', current: null, message: 'This clip was split, merged or removed in the meantime.' };
    const standings = await standingsOf(tx, [...wanted.keys()], { userId: actor.userId, sessionId, ownClipId: request.clipId });
    const taken = standings.filter((one) => one.standing === 'open' && one.version === wanted.get(one.clipId));
    const left = wordsForLeft(standings, taken, wanted.size);
    if (taken.length === 0) return { kind: 'conflict', current: null, message: `Nothing was decided. ${left}`.trim() };

    const batch = {
      ...{ id: request.commandId, actorId: actor.userId, kind: request.kind, videoId: own, clipId: request.clipId },
      ...{ leastPercent: request.leastPercent, sessionId, reversesId: null },
    };
    await insertBatch(tx, batch);
    const decided = rules.votesNeeded > 1 ? await voteOnEach(tx, actor, request, taken, rules.votesNeeded) : taken;
    await changeStates(
      tx,
      actor,
      batch,
      decided.map(({ clipId, videoId }) => ({ clipId, videoId, to: request.kind, reversesId: null })),
    );
    const summary =
      rules.votesNeeded === 1
        ? `${DONE[request.kind]} ${clipCount(taken.length)}.`
        : `Voted to ${request.kind} ${clipCount(taken.length)}; ${decided.length === 0 ? 'more votes are needed' : `${decided.length} decided by it`}.`;
    return replyToBatch(tx, batch, `${summary} ${left}`.trim());
  }) as Promise<ReviewReply>;
}

async function rulesFor(
  tx: Transaction,
  actor: Actor,
  sessionId: number | null,
): Promise<{ readonly kind: 'ok'; readonly votesNeeded: number } | Refused> {
  if (sessionId === null) return (await refusalToDecide(tx, actor, undefined)) ?? { kind: 'ok', votesNeeded: 1 };
  const allowed = await requireUnderWay(tx, actor, sessionId);
  return allowed.kind === 'refused' ? allowed : { kind: 'ok', votesNeeded: allowed.session.votesNeeded };
}

/** Casts a vote on each clip; gives those that are decided by it. */
async function voteOnEach(tx: Transaction, actor: Actor, request: AlikeRequest, clips: readonly ClipStanding[], votesNeeded: number) {
  const decided: ClipStanding[] = [];
  for (const clip of clips) {
    const { result } = await countVote(tx, actor, {
      ...{ sessionId: request.sessionId!, clip: { id: clip.clipId, version: clip.version }, choice: request.kind, votesNeeded },
      batchId: request.commandId,
    });
    if (result.kind === 'agreed') decided.push(clip);
  }
  return decided;
}

const LEFT: Readonly<Record<Exclude<AlikeStanding, 'open'>, string>> = {
  decided: 'decided by now',
  voted: 'voted on by you already',
  held: 'in somebody else’s hands',
  'in-session': 'in a session under way',
  outside: 'not part of the session',
};

/** Which of the clips asked for are left as they are, and why; empty for none. */
function wordsForLeft(standings: readonly ClipStanding[], taken: readonly ClipStanding[], askedFor: number): string {
  const counts = Map.groupBy(
    standings.filter((one) => !taken.includes(one)),
    (one) => (one.standing === 'open' ? 'changed' : one.standing),
  );
  const gone = askedFor - standings.length;
  const parts = [...counts].map(([why, clips]) => `${clips.length} ${why === 'changed' ? 'changed meanwhile' : LEFT[why]}`);
  if (gone > 0) parts.push(`${gone} split, merged or removed meanwhile`);
  return parts.length === 0 ? '' : `Left as they are: ${parts.join(', ')}.`;
}

function clipCount(count: number): string {
  return count === 1 ? '1 clip' : `${count} clips`;
}
