import { createHash } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';

/**
 * What goes wrong with a request. The two cuts break the connection. `corrupt` changes a byte of its body, which is then compared
 * with the request's SHA-256 as S3 does and moto does not; `corrupt-unnoticed` changes one behind that check. `slow` answers after a second.
 */
export type Fault = 'unavailable' | 'cut-request' | 'cut-answer' | 'corrupt' | 'corrupt-unnoticed' | 'forbidden' | 'slow';

const SLOW_MS = 1_000;

/** A proxy in front of a server of this machine that breaks some of the requests. */
export interface FaultProxy {
  readonly origin: string;
  /** The requests so far, as `PUT /bucket/key?query`. */
  readonly requests: readonly string[];
  /** Breaks the next requests that match, each with the next fault. */
  breakNext(matching: RegExp, ...faults: Fault[]): void;
  /** Breaks every request that matches, until `heal`. */
  breakAll(matching: RegExp, fault: Fault): void;
  heal(): void;
  close(): Promise<void>;
}

/** Starts one in front of a port. */
export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const requests: string[] = [];
  let rules: { readonly matching: RegExp; readonly faults: Fault[]; readonly isLasting: boolean }[] = [];
  const takeFault = (line: string): Fault | undefined => {
    const rule = rules.find(({ matching, faults }) => faults.length > 0 && matching.test(line));
    return rule?.isLasting ? rule.faults[0] : rule?.faults.shift();
  };
  const server = createServer((request, response) => {
    const line = `${request.method} ${request.url}`;
    requests.push(line);
    forward(request, response, targetPort, takeFault(line));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    breakNext: (matching, ...faults) => void rules.push({ matching, faults, isLasting: false }),
    breakAll: (matching, fault) => void rules.push({ matching, faults: [fault], isLasting: true }),
    heal: () => (rules = []),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function forward(request: IncomingMessage, response: ServerResponse, port: number, fault: Fault | undefined): void {
  if (fault === 'unavailable' || fault === 'forbidden') {
    request
      .resume()
      .once('end', () => (fault === 'unavailable' ? refuse(response, 503, 'SlowDown') : refuse(response, 403, 'AccessDenied')));
    return;
  }
  if (fault === 'corrupt') {
    void buffer(request.pipe(corruptingFirstByte())).then((body) => {
      const isIntact = createHash('sha256').update(body).digest('base64') === request.headers['x-amz-checksum-sha256'];
      if (isIntact) response.destroy();
      else refuse(response, 400, 'BadDigest');
    });
    return;
  }
  if (fault === 'cut-request') {
    request.once('data', () => request.socket.destroy());
    return;
  }
  const onward = httpRequest({ host: '127.0.0.1', port, method: request.method, path: request.url, headers: request.headers });
  onward.once('error', () => response.destroy());
  onward.once('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    if (fault === 'slow') setTimeout(() => answer.pipe(response), SLOW_MS);
    else if (fault !== 'cut-answer') answer.pipe(response);
    else
      answer
        .once('end', () => response.destroy())
        .once('data', (chunk: Buffer) => response.write(chunk.subarray(0, chunk.length / 2), () => response.destroy()));
  });
  response.once('close', () => onward.destroy());
  if (fault === 'corrupt-unnoticed') request.pipe(corruptingFirstByte()).pipe(onward);
  else request.pipe(onward);
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<Error><Code>${code}</Code><Message>As the test wants it.</Message></Error>`);
}

function corruptingFirstByte(): Transform {
  let isDone = false;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (isDone) return done(null, chunk);
      isDone = true;
      const changed = Buffer.from(chunk);
      changed[0]! ^= 1;
      done(null, changed);
    },
  });
}
