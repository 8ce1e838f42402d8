import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';

/** A file to look at: `video` must come out whole, `refused` must not come out at all, of `any` either will do. */
export interface FuzzFile {
  readonly name: string;
  readonly path: string;
  readonly expected: 'video' | 'refused' | 'any';
}

/** A short moving picture and a tone, as ffmpeg's inputs. */
export const PICTURE = ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=25:d=1.6'];
export const TONE = ['-f', 'lavfi', '-i', 'sine=d=1.6'];
export const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'aac'];

/** Runs ffmpeg with these words. */
export function ffmpeg(...words: readonly string[]): void {
  execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...words]);
}

/** Ordinary short films, one of each container: what mutations begin with. */
const FILMS: Readonly<Record<string, readonly string[]>> = {
  'index-first.mp4': [...H264, '-movflags', '+faststart', '-metadata', 'title=Film'],
  'index-last.mov': [...H264, '-timecode', '01:00:00:00'],
  'fragments.mp4': [...H264, '-movflags', 'frag_keyframe+empty_moov'],
  'h264.mkv': H264,
  'vp8.webm': ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-c:a', 'libvorbis'],
  'mpeg2.ts': ['-c:v', 'mpeg2video', '-c:a', 'mp2'],
  'mpeg2.mpg': ['-c:v', 'mpeg2video', '-c:a', 'mp2'],
  'mpeg4.avi': ['-c:v', 'mpeg4', '-c:a', 'pcm_s16le'],
  'flash.flv': ['-c:v', 'flv', '-c:a', 'aac'],
  'mpeg2.mxf': ['-c:v', 'mpeg2video', '-c:a', 'pcm_s16le', '-ar', '48000'],
  'theora.ogv': ['-c:v', 'libtheora', '-c:a', 'libvorbis'],
  'lossless.nut': ['-c:v', 'ffv1', '-c:a', 'pcm_s16le'],
  'picture.gif': ['-an'],
};

/** Makes the ordinary films in a folder. */
export function makeFilms(folder: string): FuzzFile[] {
  mkdirSync(folder, { recursive: true });
  return Object.entries(FILMS).map(([name, options]) => {
    const file = path.join(folder, name);
    ffmpeg(...PICTURE, ...TONE, ...options, file);
    return { name, path: file, expected: 'video' };
  });
}
