import { mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { isPublicAddress, publicLookup, refusePrivateLiteral } from '#lib/server/media/download/address-guard.ts';
import { DiskStore } from '#lib/server/storage/disk-store.ts';
import { parseRange } from '#lib/server/storage/serve-media.ts';
import { signMediaUrl, verifyMediaUrl } from '#lib/server/storage/sign-url.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'heaters-edges-'));
beforeAll(() => {
  Object.assign(process.env, {
    DATABASE_URL: 'postgres://localhost/none',
    SECRET_KEY_BASE: 'x'.repeat(32),
    DATA_DIR: folder,
    ORIGIN: 'http://localhost:3000',
  });
});

describe('a download may not reach', () => {
  it.each([
    ...['127.0.0.1', '127.255.0.1', '10.0.0.1', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1'],
    ...['255.255.255.255', '192.0.2.1', '::1', '::', 'fe80::1', 'fc00::1', 'fd00:ec2::254', '::ffff:127.0.0.1', '::ffff:10.0.0.1'],
    ...['64:ff9b::7f00:1', '2002:7f00:1::', 'ff02::1', '2001:db8::1', 'no address'],
  ])('%s', (address) => expect(isPublicAddress(address)).toBe(false));

  it.each(['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111'])('but may reach %s', (address) => expect(isPublicAddress(address)).toBe(true));

  // A URL writes all of these as 127.0.0.1: what the connection would use is what is checked.
  it.each(['0x7f.1', '2130706433', '127.1', '0177.0.0.1', '[::ffff:127.0.0.1]', '[::]', '127.0.0.1.', '①②⑦.0.0.1'])(
    'the host %s',
    (host) => {
      expect(() => refusePrivateLiteral(new URL(`http://${host}/`).hostname)).toThrow('is not on the public internet');
    },
  );

  it('a name that leads there', async () => {
    const error = await new Promise((resolve) => publicLookup('localhost', {}, (failure) => resolve(failure)));
    expect(String(error)).toContain('is not on the public internet');
  });
});

describe('a signed media URL', () => {
  const signed = (ttlMs = 60_000) => new URL(signMediaUrl('proxies/1/a b/ü.mp4', { ttlMs, downloadName: 'Ä “clip”.mp4' }));

  it('opens its object and no other, until it expires', () => {
    expect(verifyMediaUrl(signed())).toEqual({ kind: 'ok', key: 'proxies/1/a b/ü.mp4', downloadName: 'Ä “clip”.mp4' });
    expect(verifyMediaUrl(signed(-60_000))).toEqual({ kind: 'expired' });
  });

  it.each<[string, (url: URL) => void]>([
    ['another object', (url) => (url.pathname = '/media/proxies/2/a%20b/%C3%BC.mp4')],
    ['a path upwards', (url) => (url.pathname = '/media/proxies/1/..%2f..%2fcdn-key.pem')],
    ['another name', (url) => url.searchParams.set('download', 'virus.exe')],
    ['a later expiry', (url) => url.searchParams.set('Expires', '9999999999')],
    ['no expiry', (url) => url.searchParams.delete('Expires')],
    ['no signature', (url) => url.searchParams.delete('Signature')],
    [
      'an altered signature',
      (url) =>
        url.searchParams.set(
          'Signature',
          (url.searchParams.get('Signature') ?? '').replace(/^./, (c) => (c === 'A' ? 'B' : 'A')),
        ),
    ],
    ['one parameter more', (url) => url.searchParams.append('download', 'other.mp4')],
  ])('is refused with %s', (_name, alter) => {
    const url = signed();
    alter(url);
    expect(verifyMediaUrl(url)).toEqual({ kind: 'forged' });
  });
});

it.each<[string | null, ReturnType<typeof parseRange>]>([
  [null, null],
  ['bytes=0-99', { start: 0, end: 99 }],
  ['bytes=990-', { start: 990, end: 999 }],
  ['bytes=-10', { start: 990, end: 999 }],
  ['bytes=-5000', { start: 0, end: 999 }],
  ['bytes=0-5000', { start: 0, end: 999 }],
  ['bytes=1000-', 'unsatisfiable'],
  ['bytes=20-10', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=-', null],
  ['bytes=a-b', null],
  ['bytes=0-1,5-6', null],
  ['frames=0-1', null],
])('the range %s of 1000 bytes is %j', (header, range) => expect(parseRange(header, 1000)).toEqual(range));

it.each(['../outside', 'a/../../outside', '/etc/passwd', 'a\0b', '', '..'])('the object key %j leads out of no store', async (key) => {
  writeFileSync(path.join(folder, 'outside'), 'secret');
  const store = new DiskStore(path.join(folder, 'store'));
  await expect(async () => store.stat(key)).rejects.toThrow('leads out of the store');
  await expect(async () => store.removePrefix(key)).rejects.toThrow('leads out of the store');
});
