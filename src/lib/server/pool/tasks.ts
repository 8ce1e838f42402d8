import type { Task } from '#lib/server/pool/define-task.ts';
import { detectScenes } from '#lib/server/pool/tasks/detect-scenes.ts';
import { encodeVideo } from '#lib/server/pool/tasks/encode-video.ts';
import { exportClip } from '#lib/server/pool/tasks/export-clip.ts';

const TASKS = [encodeVideo, detectScenes, exportClip] as unknown as readonly Task<unknown, unknown>[];

/** The task of a name and version, as a call asks for it; undefined when this build has none. */
export function findTask(name: string, version: number): Task<unknown, unknown> | undefined {
  return TASKS.find((task) => task.name === name && task.version === version);
}
