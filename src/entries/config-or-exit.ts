import { config, ConfigError, type Config } from '#lib/server/config.ts';

/** The configuration, or the end of the process with a line on stderr for each wrong variable. */
export function configOrExit(): Config {
  try {
    return config();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
