import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import * as v from 'valibot';
import { ApiError, RATE_LIMITED, UNAUTHORIZED } from './api-error.ts';
import type { Clock } from './clock.ts';
import type { Faults } from './faults.ts';
import type { Fleet } from './fleet.ts';
import type { SimulatorSettings } from './options.ts';
import { RateLimiter } from './rate-limit.ts';
import type { Answer, Route } from './routes.ts';

/** Answers one request outside `/v1`; `undefined` where there is no such page. */
export type Admin = (method: string, path: string, body: unknown) => Answer | undefined;

/** The HTTP server: token, rate limits and faults stand before every route. */
export function createHttpServer(deps: {
  settings: SimulatorSettings;
  clock: Clock;
  faults: Faults;
  fleet: Fleet;
  routes: Route[];
  admin: Admin;
}): Server {
  const { settings, clock, faults, fleet, routes, admin } = deps;
  const limiter = new RateLimiter(clock, settings.rateLimits);

  /** `null` leaves the request without an answer. */
  async function answer(request: IncomingMessage): Promise<Answer | 'drop' | null> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const method = request.method ?? 'GET';
    const body =
      Number(request.headers['content-length'] ?? 0) > 0 || request.headers['transfer-encoding'] ? await readJson(request) : undefined;
    const page = admin(method, url.pathname, body);
    if (page !== undefined) return page;

    const matches = routes.map((route) => ({ route, groups: route.pattern.exec({ pathname: url.pathname })?.pathname.groups }));
    const match = matches.find(({ route, groups }) => groups !== undefined && route.method === method);
    if (match?.groups === undefined) throw new ApiError(404, 'not found');
    const { app, id, key } = Object.fromEntries(
      Object.entries(match.groups).map(([name, value]) => [name, decodeURIComponent(value ?? '')]),
    );
    const { action } = match.route;
    const machine = id === undefined ? undefined : fleet.machines.get(id);
    const scope = { app, action, machineId: id, region: machine?.region };
    if (request.headers.authorization !== `Bearer ${settings.token}` || faults.take('auth_failure', scope)) throw UNAUTHORIZED;
    if (app !== undefined && settings.apps[app] === undefined) throw new ApiError(404, `app not found: ${app}`);
    if (!limiter.take(action, id ?? app ?? '') || faults.take('rate_limited', scope)) throw RATE_LIMITED;
    const late = faults.take('slow_response', scope);
    if (late !== undefined) await new Promise<void>((resolve) => clock.after(late.fault.delayMs, resolve));
    const failure = faults.take('server_error', scope);
    if (failure !== undefined) throw new ApiError(failure.fault.status, 'internal server error');
    if (id !== undefined && machine?.app !== app) throw new ApiError(404, 'machine not found');

    const nonce = request.headers['fly-machine-lease-nonce'];
    const result = await match.route.handle({
      ...{ app: app ?? '', key: key ?? '', query: url.searchParams, body, machine },
      nonce: typeof nonce === 'string' ? nonce : undefined,
    });
    if (method !== 'GET') fleet.save();
    const lost = faults.take('response_lost', scope);
    if (lost === undefined) return result;
    if (lost.fault.mode === 'bad_gateway') throw new ApiError(502, 'bad gateway');
    return lost.fault.mode === 'drop' ? 'drop' : null;
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const result = await answer(request).catch((error: unknown): Answer => {
      if (error instanceof ApiError) return { code: error.code, body: error.body };
      if (error instanceof v.ValiError) return { code: 400, body: { error: `invalid request: ${error.message}` } };
      return { code: 500, body: { error: String(error) } };
    });
    if (result === null) return;
    if (result === 'drop') return void request.socket.destroy();
    if (result.body === undefined) return void response.writeHead(result.code).end();
    response.writeHead(result.code, { 'content-type': 'application/json' }).end(JSON.stringify(result.body));
  }

  return createServer((request, response) => void respond(request, response));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  try {
    return await json(request);
  } catch {
    throw new ApiError(400, 'invalid request: the body is not JSON');
  }
}
