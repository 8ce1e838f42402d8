import { GET } from '../../src/routes/playback/[cacheId]/[...key]/+server.ts';

/** Asks the playback route for a URL, as the pages' server would. Throws what the route throws. */
export async function getPlayback(
  href: string,
  { headers = {}, isLoggedIn = true }: { readonly headers?: Readonly<Record<string, string>>; readonly isLoggedIn?: boolean } = {},
): Promise<Response> {
  const url = new URL(href);
  const [, , cacheId = '', ...key] = url.pathname.split('/').map(decodeURIComponent);
  const user = isLoggedIn ? { id: 1, name: 'Ann', role: 'reviewer' } : null;
  const event = { url, request: new Request(url, { headers }), params: { cacheId, key: key.join('/') }, locals: { user } };
  return GET(event as never);
}
