import { readdirSync } from 'node:fs';
import path from 'node:path';

const ROUTES = new URL('../../src/routes', import.meta.url).pathname;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** An address of the app as its folder names it, such as `/videos/[videoId]`, and what can be done there. */
export interface Route {
  readonly address: string;
  /** Whether the hook asks for a log-in before anything else. */
  readonly isGuarded: boolean;
  readonly isPage: boolean;
  /** Of an endpoint; empty for a page. */
  readonly methods: readonly string[];
  /** Names of a page's form actions; `default` for the only one. */
  readonly actions: readonly string[];
}

/** All addresses of the app, read from the tree, so that a new one is among them. */
export async function allRoutes(): Promise<Route[]> {
  const folders = new Map<string, string[]>();
  for (const entry of readdirSync(ROUTES, { recursive: true, withFileTypes: true })) {
    if (!/^\+(page(\.server)?|server)\.(ts|svelte)$/.test(entry.name)) continue;
    const files = folders.get(entry.parentPath) ?? [];
    files.push(entry.name);
    folders.set(entry.parentPath, files);
  }
  return Promise.all(
    [...folders].map(async ([folder, files]) => {
      const segments = path.relative(ROUTES, folder).split(path.sep);
      const modules = await Promise.all(
        files
          .filter((name) => name.endsWith('server.ts'))
          .map((name) => import(path.join(folder, name)) as Promise<Record<string, unknown>>),
      );
      return {
        address: `/${segments.filter((segment) => !/^\(.*\)$/.test(segment)).join('/')}`,
        isPage: files.includes('+page.svelte'),
        isGuarded: segments.includes('(app)'),
        methods: METHODS.filter((method) => modules.some((module) => module[method] !== undefined || module.fallback !== undefined)),
        actions: modules.flatMap((module) => Object.keys((module.actions as object | undefined) ?? {})),
      };
    }),
  );
}

/** A route's address with its parameters filled in; each is given `[name]` without its brackets. */
export function fill(address: string, valueOf: (name: string) => string): string {
  return address.replace(/\[\[?(?:\.\.\.)?(\w+)(?:=\w+)?\]\]?/g, (_, name: string) => valueOf(name));
}
