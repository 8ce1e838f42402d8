import * as v from 'valibot';
import { isStorable } from '#lib/core/titles.ts';

/** The file that an upload begins with, or goes on with: the same person, name, size and time mean the same file. */
export const FileToUploadSchema = v.object({
  fileName: v.pipe(v.string(), v.nonEmpty(), v.maxLength(1_000), v.check(isStorable)),
  sizeBytes: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  modifiedAtMs: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
});
export type FileToUpload = v.InferOutput<typeof FileToUploadSchema>;

/** A part that is about to be sent; parts count from 1, `sha256` is in base64. */
export const PartToSendSchema = v.object({
  partNumber: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)),
  sha256: v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{43}=$/)),
});
export type PartToSend = v.InferOutput<typeof PartToSendSchema>;

/** Where a part is to be put, and the headers to put it with. */
export const SignedPartSchema = v.object({ url: v.string(), headers: v.record(v.string(), v.string()) });

/**
 * An upload as its owner sees it. A `taken` one is a video already, but may yet turn out to be a `duplicate`. All parts
 * but the last have `partBytes`; `arrived` holds the SHA-256 of those that the store has, by part number.
 */
export const UploadViewSchema = v.object({
  id: v.string(),
  fileName: v.string(),
  sizeBytes: v.number(),
  partBytes: v.number(),
  state: v.picklist(['sending', 'taken', 'done', 'duplicate', 'refused']),
  message: v.nullable(v.string()),
  /** The video that it became, or the one with the same content; null while it is sent or when it was refused. */
  videoId: v.nullable(v.number()),
  arrived: v.record(v.string(), v.string()),
});
export type UploadView = v.InferOutput<typeof UploadViewSchema>;
