import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { imageSize } from 'image-size';
import type { Refused } from '#lib/live/commands.ts';
import { MAX_SEARCH_IMAGE_BYTES } from '#lib/live/search.ts';
import type { Sql } from '#lib/server/db.ts';
import { inWorkFolder } from '#lib/server/media/clips.ts';
import { embedder, installedModel } from '#lib/server/media/embedder.ts';
import { MAX_PICTURE_PIXELS, MediaProcessError } from '#lib/server/media/python.ts';
import { log } from '#lib/server/log.ts';
import { registerModel } from '#lib/server/stores/embeddings.ts';
import { saveSearchImage, thumbnailOfImage } from '#lib/server/stores/search-images.ts';

/** What is said where there is no model. */
export const SEARCH_IS_OFF =
  'Search by meaning is off: this installation has no model. Its operator fetches one with `npm run model`. Colours and filters work without.';
const TYPES = ['jpg', 'png', 'webp'];
const NO_IMAGE = 'This is no image that can be searched with: choose a JPEG, PNG or WebP file.';

/**
 * Takes an image to search with: looks at its size before it is decoded, keeps its vector and a thumbnail that is
 * written anew, and nothing else of it. The same image gets the same id.
 */
export async function takeSearchImage(sql: Sql, bytes: Uint8Array): Promise<{ readonly kind: 'ok'; readonly id: string } | Refused> {
  const found = await installedModel();
  if (found === null) return { kind: 'refused', message: SEARCH_IS_OFF };
  const problem = problemOf(bytes);
  if (problem !== null) return { kind: 'refused', message: problem };
  const model = await registerModel(sql, found);
  const id = createHash('sha256').update(bytes).digest('hex').slice(0, 32);
  return inWorkFolder(async (workDir) => {
    const [file, thumbnailFile] = [path.join(workDir, 'image'), path.join(workDir, 'thumbnail.webp')];
    await writeFile(file, bytes);
    try {
      const vector = await embedder().embedPicture(file, thumbnailFile);
      await saveSearchImage(sql, { id, model, vector, thumbnail: await readFile(thumbnailFile) });
      return { kind: 'ok', id };
    } catch (error) {
      if (!(error instanceof MediaProcessError)) throw error;
      log.warn({ err: error }, 'an image gives no vector for a search');
      return { kind: 'refused', message: error.message };
    }
  });
}

function problemOf(bytes: Uint8Array): string | null {
  if (bytes.length > MAX_SEARCH_IMAGE_BYTES) return 'This image is too large: send one of at most 900 kB.';
  try {
    const { width, height, type } = imageSize(bytes);
    if (!TYPES.includes(type ?? '')) return NO_IMAGE;
    return width * height > MAX_PICTURE_PIXELS ? 'This image has too many pixels: send a smaller one.' : null;
  } catch {
    // What has no header that can be read is no image.
    return NO_IMAGE;
  }
}

/** The thumbnail of an image that was taken, WebP; null when it is not kept any more. */
export async function searchImageThumbnail(sql: Sql, imageId: string): Promise<Uint8Array | null> {
  return /^[0-9a-f]{32}$/.test(imageId) ? thumbnailOfImage(sql, imageId) : null;
}
