import type { AnyTask } from '#lib/server/pool/define-task.ts';
import { detectScenes } from '#lib/server/pool/tasks/detect-scenes.ts';
import { encodePart, encodeSound, joinParts } from '#lib/server/pool/tasks/encode-parts.ts';
import { encodeVideo } from '#lib/server/pool/tasks/encode-video.ts';
import { exportClip } from '#lib/server/pool/tasks/export-clip.ts';
import { probe } from '#lib/server/pool/tasks/probe.ts';

/** All tasks of this build. A version stays here for one release after the next has come. */
export const TASKS: readonly AnyTask[] = [
  encodeVideo,
  encodePart,
  encodeSound,
  joinParts,
  detectScenes,
  exportClip,
  probe,
] as unknown as readonly AnyTask[];
