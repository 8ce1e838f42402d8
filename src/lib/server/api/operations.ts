import type { Operation } from '#lib/server/api/define-operation.ts';
import { accountOperations } from '#lib/server/api/operations/account.ts';
import { clipOperations } from '#lib/server/api/operations/clips.ts';
import { commentOperations } from '#lib/server/api/operations/comments.ts';
import { exportOperations } from '#lib/server/api/operations/exports.ts';
import { peopleOperations } from '#lib/server/api/operations/people.ts';
import { queueOperations } from '#lib/server/api/operations/queues.ts';
import { sessionOperations } from '#lib/server/api/operations/sessions.ts';
import { videoOperations } from '#lib/server/api/operations/videos.ts';
import { webhookOperations } from '#lib/server/api/operations/webhooks.ts';

/** All that a program can do: the one table from which requests are routed and the document is written. */
export const OPERATIONS: readonly Operation[] = [
  ...accountOperations,
  ...videoOperations,
  ...clipOperations,
  ...commentOperations,
  ...sessionOperations,
  ...exportOperations,
  ...queueOperations,
  ...peopleOperations,
  ...webhookOperations,
];
