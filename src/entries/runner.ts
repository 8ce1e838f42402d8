import { startRunner } from '#lib/server/pool/runner/start-runner.ts';
import { TASKS } from '#lib/server/pool/tasks.ts';

startRunner(TASKS);
