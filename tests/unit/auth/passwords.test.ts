import { describe, expect, it } from 'vitest';
import { hashPassword, passwordProblem, verifyPassword } from '#lib/server/auth/passwords.ts';

describe('passwords', () => {
  it('are hashed with argon2id and the OWASP parameters', async () => {
    expect(await hashPassword('correct horse')).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  it('match their own hash and no other', async () => {
    const hash = await hashPassword('correct horse');
    expect(await verifyPassword(hash, 'correct horse')).toBe(true);
    expect(await verifyPassword(hash, 'wrong horse!!')).toBe(false);
  });

  it('match however the keyboard composes an accent', async () => {
    const hash = await hashPassword('caf\u00e9 caf\u00e9 caf\u00e9');
    expect(await verifyPassword(hash, 'cafe\u0301 cafe\u0301 cafe\u0301')).toBe(true);
  });

  it('never match where there is no hash', async () => {
    expect(await verifyPassword(null, '')).toBe(false);
  });

  it('are not hashed when far too long', async () => {
    const hash = await hashPassword('correct horse');
    expect(await verifyPassword(hash, 'x'.repeat(1_000_000))).toBe(false);
  });

  it('take as much work for an unknown e-mail as for a known one', async () => {
    const hash = await hashPassword('correct horse');
    await verifyPassword(null, 'warm up');
    const time = async (passwordHash: string | null) => {
      const laps: number[] = [];
      for (let lap = 0; lap < 5; lap += 1) {
        const start = performance.now();
        await verifyPassword(passwordHash, 'wrong horse!!');
        laps.push(performance.now() - start);
      }
      return Math.min(...laps);
    };
    // Loose, as the machine is shared: skipping the hash would be a thousand times faster.
    expect(await time(null)).toBeGreaterThan((await time(hash)) / 4);
  });

  it('need ten characters, and the message says how many there are', () => {
    expect(passwordProblem('123456789')).toBe('A password needs at least 10 characters; this one has 9.');
    expect(passwordProblem('1234567890')).toBeNull();
    // Ten emoji are twenty UTF-16 units, nine of them eighteen: characters are what counts.
    expect(passwordProblem('🎬'.repeat(9))).not.toBeNull();
    expect(passwordProblem('🎬'.repeat(10))).toBeNull();
    expect(passwordProblem('x'.repeat(201))).toMatch(/at most 200/);
  });
});
