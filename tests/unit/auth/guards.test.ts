import { isHttpError, isRedirect, type RequestEvent } from '@sveltejs/kit';
import { describe, expect, it } from 'vitest';
import type { Role } from '#lib/live/views.ts';
import { assertSameOrigin, requireRole, requireUser } from '#lib/server/auth/guards.ts';
import { canReview, hasRole, isAdmin } from '#lib/server/auth/roles.ts';

const PAGE = { accept: 'text/html,application/xhtml+xml' };

function eventOf(role: Role | null, path = '/videos/3?tab=cuts', init: RequestInit = {}): RequestEvent {
  const url = new URL(path, 'https://heaters.example');
  const user = role === null ? null : { id: 1, name: 'Ann', email: 'ann@example.com', role };
  return { locals: { user }, url, request: new Request(url, init), isDataRequest: false } as unknown as RequestEvent;
}

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (thrown) {
    return thrown;
  }
  throw new Error('Nothing was thrown.');
}

function statusOf(act: () => unknown): number {
  const thrown = thrownBy(act);
  if (isHttpError(thrown) || isRedirect(thrown)) return thrown.status;
  throw thrown;
}

describe('requireUser', () => {
  it('gives the person who is logged in', () => {
    expect(requireUser(eventOf('viewer')).name).toBe('Ann');
  });

  it('sends a stranger from a page to the log-in and back', () => {
    const thrown = thrownBy(() => requireUser(eventOf(null, '/videos/3?tab=cuts', { headers: PAGE })));
    expect(isRedirect(thrown) && thrown.location).toBe('/login?next=%2Fvideos%2F3%3Ftab%3Dcuts');
  });

  it('leaves the name of a form action out of the way back', () => {
    const event = eventOf(null, '/account?/name', { method: 'POST', headers: { 'x-sveltekit-action': 'true' } });
    const thrown = thrownBy(() => requireUser(event));
    expect(isRedirect(thrown) && thrown.location).toBe('/login?next=%2Faccount');
  });

  it('answers 401 at an endpoint', () => {
    expect(statusOf(() => requireUser(eventOf(null, '/uploads')))).toBe(401);
  });
});

describe('requireRole', () => {
  it('lets a greater role do what a smaller may', () => {
    expect(requireRole(eventOf('admin'), 'reviewer').role).toBe('admin');
  });

  it('answers 403 for too small a role, on pages too', () => {
    expect(statusOf(() => requireRole(eventOf('viewer', '/', { headers: PAGE }), 'reviewer'))).toBe(403);
  });
});

describe('roles', () => {
  it('rank admin over reviewer over viewer', () => {
    expect((['admin', 'reviewer', 'viewer'] as const).map(canReview)).toEqual([true, true, false]);
    expect((['admin', 'reviewer', 'viewer'] as const).map(isAdmin)).toEqual([true, false, false]);
    expect(hasRole('viewer', 'viewer')).toBe(true);
  });
});

describe('assertSameOrigin', () => {
  const post = (headers: Record<string, string>) => eventOf('admin', '/uploads', { method: 'POST', headers });

  it('takes a request that names this origin, or that the browser calls its own', () => {
    assertSameOrigin(post({ origin: 'https://heaters.example' }));
    assertSameOrigin(post({ 'sec-fetch-site': 'same-origin' }));
  });

  it.each([
    {},
    { origin: 'null' },
    { origin: 'https://evil.example' },
    { origin: 'http://heaters.example' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
  ])('refuses %j', (headers) => {
    expect(statusOf(() => assertSameOrigin(post(headers as Record<string, string>)))).toBe(403);
  });
});
