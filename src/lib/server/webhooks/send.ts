import { Agent, request } from 'undici';
import type { WebhookAttempt } from '#lib/live/webhooks.ts';
import { config } from '#lib/server/config.ts';
import { publicLookup, refusePrivateLiteral } from '#lib/server/media/download/address-guard.ts';

const TIMEOUT_MS = 15_000;
const EXCERPT_BYTES = 1000;

/** Why an address can't be a webhook's; null when it can. Whether its name leads to a private address shows when it is used. */
export function refusalOfAddress(address: string): string | null {
  const url = URL.parse(address);
  const { allowPrivateUrls } = config();
  if (url === null || !(url.protocol === 'https:' || (allowPrivateUrls && url.protocol === 'http:')))
    return 'Give an address like https://example.com/hook.';
  if (url.username !== '' || url.password !== '') return 'The address holds a user name or password: remove them, deliveries are signed.';
  try {
    if (!allowPrivateUrls) refusePrivateLiteral(url.hostname);
  } catch {
    return 'This address is not on the public internet.';
  }
  return null;
}

/**
 * Posts a message to an address, once. Redirects are not followed, and the connection goes to no private address: the name is
 * looked up by the connection itself, so it can't mean another one in between.
 */
export async function sendWebhook(
  address: string,
  message: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
  signal: AbortSignal,
): Promise<WebhookAttempt> {
  const startedAtMs = Date.now();
  const attempt = (status: number | null, error: string | null, responseExcerpt: string): WebhookAttempt => {
    return { at: new Date(startedAtMs).toISOString(), durationMs: Date.now() - startedAtMs, status, error, responseExcerpt };
  };
  const refusal = refusalOfAddress(address);
  if (refusal !== null) return attempt(null, refusal, '');
  const agent = new Agent(config().allowPrivateUrls ? {} : { connect: { lookup: publicLookup } });
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await request(address, {
      ...{ method: 'POST', dispatcher: agent, signal: AbortSignal.any([signal, timeout]), body: message.body },
      headers: { 'content-type': 'application/json', 'user-agent': 'Heaters-Webhooks', ...message.headers },
    });
    const excerpt = await beginningOf(response.body);
    const isOk = response.statusCode >= 200 && response.statusCode < 300;
    return attempt(
      response.statusCode,
      isOk ? null : `The answer was ${response.statusCode}: only 2xx counts, redirects are not followed.`,
      excerpt,
    );
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return attempt(null, `There was no answer within ${TIMEOUT_MS / 1000} s.`, '');
    return attempt(null, error instanceof Error ? error.message || error.name : String(error), '');
  } finally {
    await agent.destroy();
  }
}

/** How an answer begins; the rest is not read. */
async function beginningOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes >= EXCERPT_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, EXCERPT_BYTES).toString().replaceAll('\0', '');
}
