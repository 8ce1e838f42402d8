import { MAX_SEARCH_IMAGE_BYTES } from '#lib/live/search.ts';

/** What the server takes as it is; other pictures that this browser can show are sent as JPEG. */
const TYPES = ['image/jpeg', 'image/png', 'image/webp'];
/** More than any model looks at. */
const LONGEST_SIDE = 800;

/** Sends an image to search with, made smaller where it is large. Gives its id; throws an `Error` for the person. */
export async function sendSearchImage(file: Blob): Promise<string> {
  const isTaken = TYPES.includes(file.type) && file.size <= MAX_SEARCH_IMAGE_BYTES;
  const body = isTaken ? file : await shrunk(file);
  const response = await fetch('/search/image', { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body });
  const answer = (await response.json()) as { kind: 'ok'; id: string } | { message: string };
  if (!('id' in answer)) throw new Error(answer.message);
  return answer.id;
}

async function shrunk(file: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error('This file is no image that can be searched with: choose a JPEG, PNG or WebP file.');
  });
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
  canvas.getContext('2d')?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 });
}

/** The first picture among dragged or pasted things; null where there is none, or it can't be had yet. */
export function imageIn(transfer: DataTransfer | null): File | null {
  return [...(transfer?.files ?? [])].find((file) => file.type.startsWith('image/')) ?? null;
}

/** Whether pictures are dragged: while they are, only their types are known. */
export function dragsImage(transfer: DataTransfer | null): boolean {
  return [...(transfer?.items ?? [])].some((item) => item.kind === 'file' && item.type.startsWith('image/'));
}
