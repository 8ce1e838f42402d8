import { readFileSync } from 'node:fs';
import { config } from '#lib/server/config.ts';

/** What runs here: the image on Fly, elsewhere the version of the package. */
export function version(): string {
  const { image } = config().fly ?? { image: null };
  if (image !== null) return image.slice(image.lastIndexOf(':') + 1);
  const packageJson = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(packageJson) as { version: string }).version;
}
