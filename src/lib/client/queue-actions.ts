import { toast } from 'svelte-sonner';
import { isUndoable, STATE_LABELS, type JobAction } from '#lib/core/job-rules.ts';
import { complain } from '#lib/client/notices.ts';
import type { ActOnJobs, JobFilter, QueueCommand, QueueReply } from '#lib/live/job-views.ts';

/** What an action has done to jobs, as a toast says it. */
const DONE: Readonly<Record<JobAction, string>> = {
  retry: 'will be tried again',
  cancel: STATE_LABELS.cancelled,
  'run-now': 'will run next',
  priority: 'moved in the queue',
  delete: 'deleted',
};

/** What a part of an action on many jobs tells on the way: how many are done. */
export interface BulkProgress {
  readonly onPart: (doneCount: number) => void;
  readonly signal: AbortSignal;
}

let lastAuditId: number | null = null;

/** Asks the server for something; what it refuses is shown. Null when it was refused or not reached. */
export async function askQueues(command: QueueCommand): Promise<Extract<QueueReply, { kind: 'ok' }> | null> {
  try {
    const response = await fetch('/admin/queues/act', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(command),
    });
    const reply = (await response.json()) as QueueReply | { message?: string };
    if (response.ok && 'kind' in reply && reply.kind === 'ok') return reply;
    complain(('message' in reply && reply.message) || 'The server could not do this. Try again.');
  } catch {
    complain('The server was not reached. Check your connection and try again.');
  }
  return null;
}

/** Acts on jobs that are named. */
export async function actOn(action: JobAction, ids: readonly string[], priority = 0): Promise<void> {
  const reply = await askQueues({ kind: 'jobs', action, priority, target: { kind: 'ids', ids: [...ids] } });
  if (reply !== null) tell(action, reply.doneCount, reply.skippedCount, reply.skipped, reply.auditId);
}

/** Acts on all jobs that match a filter, part by part; stops between two when asked to. */
export async function actOnAll(action: JobAction, filter: JobFilter, priority: number, { onPart, signal }: BulkProgress): Promise<void> {
  let [cursor, auditId, doneCount, skippedCount, skipped]: [string | null, number | null, number, number, string | null] = [
    null,
    null,
    0,
    0,
    null,
  ];
  do {
    const command: ActOnJobs = { kind: 'jobs', action, priority, target: { kind: 'filter', filter, cursor, auditId } };
    const reply = await askQueues(command);
    if (reply === null) break;
    doneCount += reply.doneCount;
    skippedCount += reply.skippedCount;
    skipped ??= reply.skipped;
    ({ cursor, auditId } = reply);
    onPart(doneCount);
  } while (cursor !== null && !signal.aborted);
  tell(action, doneCount, skippedCount, skipped, auditId);
}

/** Takes an action back, part by part. Without an entry of the audit log: the last one of this window. */
export async function undo(auditId = lastAuditId): Promise<void> {
  if (auditId === null) return complain('There is nothing to undo here.');
  let [doneCount, skippedCount, hasMore] = [0, 0, true];
  while (hasMore) {
    const reply = await askQueues({ kind: 'undo', auditId });
    if (reply === null) break;
    doneCount += reply.doneCount;
    skippedCount += reply.skippedCount;
    hasMore = reply.cursor !== null;
    if (!hasMore) {
      const rest = skippedCount > 0 ? `; ${count(skippedCount)} had gone on already` : '';
      toast.success(`Undone for ${count(doneCount)}${rest}`);
    }
  }
  if (auditId === lastAuditId) lastAuditId = null;
}

function tell(action: JobAction, doneCount: number, skippedCount: number, skipped: string | null, auditId: number | null): void {
  const left = skippedCount > 0 ? `${count(skippedCount)} left out: ${skipped ?? 'they are gone'}` : '';
  if (doneCount === 0) return complain(left || 'No job was there for it.');
  const canUndo = isUndoable(action) && auditId !== null;
  if (canUndo) lastAuditId = auditId;
  toast.success(`${count(doneCount)} ${DONE[action]}`, {
    description: left,
    duration: 10_000,
    ...(canUndo ? { action: { label: 'Undo', onClick: () => void undo(auditId) } } : {}),
  });
}

function count(jobs: number): string {
  return jobs === 1 ? '1 job' : `${jobs.toLocaleString()} jobs`;
}
