import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Thrown for an address that people’s URLs may not lead to. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/**
 * Whether an IP address is on the public internet: not loopback, private, link-local, shared,
 * multicast or reserved, and not an IPv6 form that wraps such an IPv4 address.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  // `process` unwraps ::ffff:a.b.c.d; the other wrappers have ranges of their own, none of them unicast.
  return ipaddr.process(address).range() === 'unicast';
}

/** Throws `AddressRefused` for a host that is written as an address and is not public. */
export function refusePrivateLiteral(hostname: string): void {
  const literal = hostname.replace(/^\[|\]$/g, '');
  if (ipaddr.isValid(literal) && !isPublicAddress(literal)) throw refusal(hostname);
}

/**
 * DNS look-up that refuses names which lead to any address that is not public. As it is the
 * look-up of the connection itself, a name can't change its answer in between.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const first = addresses?.[0];
    if (error !== null || first === undefined) {
      callback(error ?? new Error(`${hostname} has no address.`), '', 4);
    } else if (addresses.some(({ address }) => !isPublicAddress(address))) {
      callback(refusal(hostname), '', 4);
    } else if (options.all) {
      callback(null, addresses);
    } else {
      callback(null, first.address, first.family);
    }
  });
};

function refusal(hostname: string): AddressRefused {
  return new AddressRefused(`${hostname} is not on the public internet: private addresses are switched off.`);
}
