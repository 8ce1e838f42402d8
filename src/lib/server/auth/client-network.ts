import ipaddr from 'ipaddr.js';

/**
 * What the log-in limit counts as one address: an IPv4 address, or the /64 of an IPv6 one, of which
 * every subscriber has 2^64 (RFC 6177). Anything that is no address is its own network.
 */
export function clientNetwork(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  // Gives the IPv4 address in an IPv4-mapped one, as a dual-stack socket names its peers.
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const prefix = parsed.toByteArray().map((byte, index) => (index < 8 ? byte : 0));
  return `${ipaddr.fromByteArray(prefix).toString()}/64`;
}
