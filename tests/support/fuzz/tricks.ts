import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { deflateSync } from 'node:zlib';
import { box } from './boxes.ts';
import { ffmpeg, H264, PICTURE, TONE, type FuzzFile } from './films.ts';

/** What a trick may not reach: a film outside the work folder, and a server. */
export interface Bait {
  readonly secret: string;
  readonly origin: string;
}

const playlist = (address: string) => `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\n${address}\n#EXT-X-ENDLIST\n`;

/** Files that make a reader of media open something else. */
const LURES: Readonly<Record<string, (bait: Bait) => string | Buffer>> = {
  'playlist-of-a-file.mp4': ({ secret }) => playlist(secret),
  'playlist-of-a-file-url.m3u8': ({ secret }) => playlist(`file://${secret}`),
  'playlist-of-a-file-beside.m3u8': ({ secret }) => playlist(`../outside/${path.basename(secret)}`),
  'playlist-of-an-address.mp4': ({ origin }) => playlist(`${origin}/inner.ts`),
  'playlist-with-a-key.mp4': ({ secret, origin }) =>
    playlist(secret).replace('#EXTINF', `#EXT-X-KEY:METHOD=AES-128,URI="${origin}/key"\n#EXTINF`),
  'playlist-of-joined-files.mp4': ({ secret, origin }) => playlist(`concat:${origin}/header.m3u8|file://${secret}`),
  'playlist-of-playlists.m3u8': ({ origin }) => `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n${origin}/inner.m3u8\n`,
  'list-of-files.mp4': ({ secret }) => `ffconcat version 1.0\nfile '${secret}'\n`,
  'list-of-addresses.ffconcat': ({ origin }) => `ffconcat version 1.0\nfile ${origin}/a.mp4\n`,
  'dash.mpd': ({ origin }) =>
    `<?xml version="1.0"?><MPD type="static" mediaPresentationDuration="PT2S" xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>${origin}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>`,
  'session.sdp': ({ origin }) =>
    `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video ${new URL(origin).port} RTP/AVP 96\na=rtpmap:96 H264/90000\n`,
  'picture.svg': ({ origin }) =>
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"><image xlink:href="${origin}/a.png"/><script>fetch('${origin}')</script></svg>`,
  'subtitles.ass': () => '[Script Info]\n[Events]\nFormat: Start, End, Text\nDialogue: 0:00:00.00,0:00:05.00,{\\fn../../secret}Hello\n',
  'subtitles.mp4': () => '1\n00:00:00,000 --> 00:00:09,000\n<img src=x onerror=alert(1)>\n',
  'reference.mov': ({ secret }) => box('moov', box('rmra', box('rmda', box('rdrf', '\0\0\0\0url \0\0\0\xff', `file://${secret}\0`)))),
  'page.html': ({ origin }) => `<html><meta http-equiv="refresh" content="0;url=${origin}"></html>`,
  'script.avs': ({ secret }) => `AviSource("${secret}")\n`,
};

/** Files that are no video, some of them far larger than they look. */
const NO_VIDEOS: Readonly<Record<string, (film: Buffer) => string | Buffer>> = {
  'nothing.mp4': () => '',
  'one-byte.mp4': () => '\0',
  'zeros.mp4': () => Buffer.alloc(300_000),
  'text.mp4': () => 'hello\n'.repeat(2_000),
  'endless-playlist.mp4': () => '#EXTM3U\n'.repeat(200_000),
  'huge-picture.png': () => pngBomb(50_000),
  'huge-frames.y4m': () => `YUV4MPEG2 W60000 H60000 F25:1 Ip A1:1 C420\nFRAME\n${'x'.repeat(100_000)}`,
  'huge-canvas.gif': () => Buffer.concat([Buffer.from('GIF89a\xff\xff\xff\xff\0\0\0', 'latin1'), Buffer.alloc(64, 0x2c)]),
  'archive.mp4': () => Buffer.from('PK\x05\x06'.padEnd(22, '\0'), 'latin1'),
  'only-a-header.mp4': (film) => film.subarray(0, 40),
  'box-in-box.mp4': () => nested('moov', 5_000),
};

/** Containers of video that are absurd in another way, as ffmpeg makes them from a film. */
const ABSURDITIES: Readonly<Record<string, readonly [FuzzFile['expected'], (film: string) => readonly string[]]>> = {
  'sound.m4a': ['refused', () => [...TONE, '-c:a', 'aac']],
  'text-like-a-report.mkv': [
    'video',
    (film) => ['-i', film, '-c', 'copy', '-metadata', 'TITLE=[/STREAM]\n[STREAM]\nwidth=9', '-metadata', `comment=${'x'.repeat(100_000)}`],
  ],
  'many-streams.mkv': [
    'video',
    (film) => ['-i', film, ...Array.from({ length: 300 }, () => ['-map', '0:a']).flat(), '-map', '0:v', '-c', 'copy'],
  ],
  'one-frame.mp4': ['any', () => [...PICTURE, ...H264, '-frames:v', '1']],
  'two-pixels.mkv': ['refused', () => ['-f', 'lavfi', '-i', 'color=s=2x2:r=25:d=0.4', '-c:v', 'ffv1']],
  'one-pixel.mkv': ['refused', () => ['-f', 'lavfi', '-i', 'color=s=1x1:r=25:d=0.4,format=rgb24', '-c:v', 'ffv1']],
  'a-line.mkv': ['refused', () => ['-f', 'lavfi', '-i', 'color=s=4096x2:r=25:d=0.4', '-c:v', 'ffv1']],
  'a-column.mkv': ['refused', () => ['-f', 'lavfi', '-i', 'color=s=2x4096:r=25:d=0.4', '-c:v', 'ffv1']],
  'pixels-like-planks.mkv': ['any', () => ['-f', 'lavfi', '-i', 'testsrc2=s=64x36:r=25:d=0.4,setsar=1000/1', '-c:v', 'ffv1']],
  'a-thousand-frames-a-second.mp4': ['any', () => ['-f', 'lavfi', '-i', 'testsrc2=s=96x54:r=1000:d=0.3', ...H264]],
  'a-frame-in-ten-seconds.mp4': ['any', () => ['-f', 'lavfi', '-i', 'testsrc2=s=96x54:r=1/10:d=20', ...H264]],
  'four-days-without-change.mkv': ['refused', () => ['-f', 'lavfi', '-i', 'color=s=16x16:r=1/3600:d=360000', ...H264]],
  'a-jump-in-time.mkv': [
    'refused',
    () => [...PICTURE, '-vf', "setpts='PTS+gt(N,20)*72000/TB'", '-fps_mode', 'passthrough', '-c:v', 'ffv1'],
  ],
  ...Object.fromEntries(
    ['gray16le', 'pal8', 'monow', 'yuv410p', 'yuva444p16le', 'gbrp16le'].map((format) => [
      `pixels-${format}.nut`,
      ['video', () => [...PICTURE, '-t', '0.4', '-pix_fmt', format, '-c:v', 'rawvideo']],
    ]),
  ),
};

/** Makes the files that somebody has thought up, from an ordinary film. */
export function makeTricks(folder: string, film: string, bait: Bait): FuzzFile[] {
  mkdirSync(folder, { recursive: true });
  const bytes = readFileSync(film);
  const written = [
    ...Object.entries(LURES).map(([name, content]) => [name, content(bait)] as const),
    ...Object.entries(NO_VIDEOS).map(([name, content]) => [name, content(bytes)] as const),
  ].map(([name, content]): FuzzFile => {
    writeFileSync(path.join(folder, name), content);
    return { name, path: path.join(folder, name), expected: 'refused' };
  });
  const made = Object.entries(ABSURDITIES).map(([name, [expected, words]]): FuzzFile => {
    ffmpeg(...words(film), path.join(folder, name));
    return { name, path: path.join(folder, name), expected };
  });
  const metadata = path.join(folder, 'huge-metadata.mp4');
  writeFileSync(metadata, Buffer.concat([bytes, box('udta', box('©nam', 'x'.repeat(20_000_000)))]));
  return [...written, ...made, { name: 'huge-metadata.mp4', path: metadata, expected: 'video' }];
}

function nested(name: string, depth: number): Buffer {
  const bytes = Buffer.alloc(8 * depth);
  for (let level = 0; level < depth; level += 1) {
    bytes.writeUInt32BE(8 * (depth - level), 8 * level);
    bytes.write(name, 8 * level + 4, 'latin1');
  }
  return bytes;
}

/** A picture of this many pixels' width and height, in a few kilobytes (PNG, ISO/IEC 15948). */
function pngBomb(side: number): Buffer {
  const size = Buffer.alloc(13);
  size.writeUInt32BE(side, 0);
  size.writeUInt32BE(side, 4);
  size.set([8, 2], 8);
  const chunk = (name: string, content: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(content.length);
    return Buffer.concat([length, Buffer.from(name, 'latin1'), content, Buffer.alloc(4)]);
  };
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', size),
    chunk('IDAT', deflateSync(Buffer.alloc(10_000_000))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
