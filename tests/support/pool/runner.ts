import { startRunner } from '#lib/server/pool/runner/start-runner.ts';
import { TEST_TASKS } from './tasks.ts';

startRunner(TEST_TASKS);
