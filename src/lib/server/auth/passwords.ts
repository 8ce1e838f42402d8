import { hash, verify } from '@node-rs/argon2';

/** The fewest characters of a password. */
export const PASSWORD_MIN_LENGTH = 10;
const PASSWORD_MAX_LENGTH = 200;

// argon2id with 19 MiB, two passes, one lane: the OWASP Password Storage Cheat Sheet's minimum.
// `algorithm: 2` is argon2id; the package's const enum can't be used with erasable syntax.
const ARGON2ID = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

// A hash of random bytes that nobody has kept, made with the parameters above.
let nobodysHash: Promise<string> | undefined;

/** What is wrong with a new password, as a sentence for the person; null when it will do. */
export function passwordProblem(password: string): string | null {
  // Counted in code points, as NIST SP 800-63B asks.
  const length = [...password.normalize('NFKC')].length;
  if (length < PASSWORD_MIN_LENGTH) {
    return `A password needs at least ${PASSWORD_MIN_LENGTH} characters; this one has ${length}.`;
  }
  if (length > PASSWORD_MAX_LENGTH) return `A password can have at most ${PASSWORD_MAX_LENGTH} characters.`;
  return null;
}

/** The argon2id hash of a password, in PHC format. */
export async function hashPassword(password: string): Promise<string> {
  return await hash(password.normalize('NFKC'), ARGON2ID);
}

/**
 * Whether a password is the one that was hashed.
 *
 * Without a hash (an unknown e-mail, or nobody has set a password) it does the same work and says
 * no, so that the time of an answer doesn't tell who has an account.
 */
export async function verifyPassword(passwordHash: string | null, password: string): Promise<boolean> {
  // Too long to have been accepted: refuse without spending memory on it.
  if (password.length > PASSWORD_MAX_LENGTH * 4) return false;
  nobodysHash ??= hash(crypto.getRandomValues(new Uint8Array(32)), ARGON2ID);
  const isMatch = await verify(passwordHash ?? (await nobodysHash), password.normalize('NFKC'));
  return isMatch && passwordHash !== null;
}
