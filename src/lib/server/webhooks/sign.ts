import { createHmac, hkdfSync } from 'node:crypto';
import { config } from '#lib/server/config.ts';

/** The secret that signs what a webhook is told, in the form of the Standard Webhooks specification: `whsec_` and base64. */
export function secretOf(seed: string): string {
  return `whsec_${keyOf(seed).toString('base64')}`;
}

/** The headers that sign a message (Standard Webhooks 1.0.0); with several seeds one signature for each. */
export function signatureHeaders(
  seeds: readonly string[],
  message: { readonly id: string; readonly sentAtMs: number; readonly body: string },
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(message.sentAtMs / 1000));
  const signed = `${message.id}.${timestamp}.${message.body}`;
  const signatures = seeds.map((seed) => `v1,${createHmac('sha256', keyOf(seed)).update(signed).digest('base64')}`);
  return { 'webhook-id': message.id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}

function keyOf(seed: string): Buffer {
  return Buffer.from(hkdfSync('sha256', config().secretKeyBase, '', `webhook ${seed}`, 32));
}
