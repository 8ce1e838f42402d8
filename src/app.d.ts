import type { LoginSession, SessionUser } from '#lib/server/auth/lucia.ts';

declare global {
  namespace App {
    interface Error {
      message: string;
      /** Names the request in the log; shown so that a person can quote it. */
      requestId?: string;
    }
    interface Locals {
      /** Who is logged in; null for a stranger. */
      user: SessionUser | null;
      session: LoginSession | null;
      requestId: string;
    }
  }
}
