import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import type { ExportedFile } from '#lib/server/features/download-files.ts';
import { log } from '#lib/server/log.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';

/** Streams exported clips as one zip, where wanted with a JSON beside each; no video is held in memory. */
export function zipResponse(files: readonly ExportedFile[], hasSidecars: boolean): Response {
  const zip = new ZipFile();
  // An object that is gone, or breaks off, ends this download and not the server.
  zip.on('error', (cause: Error) => {
    log.warn({ err: cause }, 'a zip was broken off');
    (zip.outputStream as Readable).destroy(cause);
  });
  for (const { key, name, sidecar } of files) {
    if (hasSidecars) zip.addBuffer(Buffer.from(sidecar), name.replace(/mp4$/, 'json'));
    // Video does not shrink: store it as it is.
    zip.addReadStreamLazy(name, { compress: false }, (take) => {
      objectStore()
        .openRead(key)
        .then(
          (stream) => {
            // Nobody else hears what breaks while it is read.
            stream.once('error', (cause) => zip.emit('error', cause));
            take(null, stream);
          },
          (cause: unknown) => take(cause, undefined as never),
        );
    });
  }
  zip.end();
  return new Response(Readable.toWeb(Readable.from(zip.outputStream)) as ReadableStream, {
    headers: {
      'content-type': 'application/zip',
      'content-disposition': `attachment; filename="heaters-clips-${files.length}.zip"`,
      'cache-control': 'no-store',
    },
  });
}
