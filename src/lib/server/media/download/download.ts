import { mkdir } from 'node:fs/promises';
import { config } from '#lib/server/config.ts';
import { AddressRefused } from '#lib/server/media/download/address-guard.ts';
import { fetchFile } from '#lib/server/media/download/fetch-file.ts';
import { fetchFromPage } from '#lib/server/media/download/yt-dlp.ts';

/** How far a download is. */
export interface DownloadProgress {
  readonly percent: number | null;
  readonly etaMs: number | null;
}

/** What a download needs: a folder to work in, which may hold a part from an earlier attempt. */
export interface DownloadOptions {
  readonly workDir: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
}

/** A finished file, or in a sentence why there will be none. */
export type DownloadOutcome =
  { readonly kind: 'ok'; readonly path: string; readonly fileName: string } | { readonly kind: 'refused'; readonly message: string };

/** Fetches a video: a file as it is, a page through yt-dlp. Throws for what another attempt may mend. */
export async function download(url: string, options: DownloadOptions): Promise<DownloadOutcome> {
  await mkdir(options.workDir, { recursive: true });
  const limits = { allowPrivate: config().allowPrivateUrls, maxBytes: config().maxUploadBytes };
  try {
    const fetched = await fetchFile(url, limits, options);
    return fetched.kind === 'page' ? await fetchFromPage(url, limits, options) : fetched;
  } catch (error) {
    const refused = causes(error).find((cause) => cause instanceof AddressRefused);
    if (refused instanceof AddressRefused) return { kind: 'refused', message: refused.message };
    throw error;
  }
}

function causes(error: unknown): unknown[] {
  return error instanceof Error ? [error, ...causes(error.cause)] : [];
}
