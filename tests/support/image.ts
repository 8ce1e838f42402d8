import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import dockerignore from '@balena/dockerignore';
import { DockerfileParser, type Copy, type From, type Instruction } from 'dockerfile-ast';

/** What the image would hold below /app, made in a folder, and the environment that it sets. */
export interface TriedImage {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Program and arguments that it starts with, without the init. */
  readonly command: readonly string[];
}

/** The instructions of a Dockerfile. */
export function readDockerfile(file: string): Instruction[] {
  return DockerfileParser.parse(readFileSync(file, 'utf8')).getInstructions();
}

/** What a COPY of the build context names, without its target; null for one from another stage. */
export function copiedFromContext(instruction: Instruction): string[] | null {
  if (instruction.getInstruction() !== 'COPY' || (instruction as Copy).getFromFlag()) return null;
  return words(instruction).slice(0, -1);
}

/** Whether a file of the context reaches the build. */
export function contextFilter(root: string): (file: string) => boolean {
  const ignored = dockerignore().add(readFileSync(path.join(root, '.dockerignore'), 'utf8'));
  return (file) => !ignored.ignores(path.relative(root, file));
}

/**
 * Does what a build does, step by step and each stage in a folder of its own, where /app is that folder. What needs
 * Debian's packages is left to this computer's own; `instead` may replace another command.
 */
export async function tryImage(root: string, outDir: string, instead: (command: string) => string | null): Promise<TriedImage> {
  const stages = new Map<string, { folder: string; env: Record<string, string> }>();
  const reaches = contextFilter(root);
  let stage = { folder: '', env: {} as Record<string, string> };
  let command: string[] = [];
  const inFolder = (text: string) => text.replaceAll(/(?<![\w.])\/app(?![\w.])/g, stage.folder);
  for (const instruction of readDockerfile(path.join(root, 'Dockerfile'))) {
    const content = instruction.getArgumentsContent() ?? '';
    switch (instruction.getInstruction()) {
      case 'FROM': {
        const from = instruction as From;
        const parent = stages.get(from.getImage() ?? '');
        const name = from.getBuildStage() ?? 'image';
        stage = { folder: path.join(outDir, name), env: { ...parent?.env } };
        mkdirSync(stage.folder, { recursive: true });
        if (parent !== undefined) cpSync(parent.folder, stage.folder, { recursive: true, verbatimSymlinks: true });
        stages.set(name, stage);
        break;
      }
      case 'COPY': {
        const source = stages.get((instruction as Copy).getFromFlag()?.getValue() ?? '');
        const sources = words(instruction);
        const target = path.join(stage.folder, sources.pop()!);
        for (const each of sources) {
          const from = source === undefined ? path.join(root, each) : each.replace(/^\/app/, source.folder);
          // As Docker does: of a folder its content, of a file the file.
          const to =
            statSync(from).isDirectory() || !(target.endsWith('/') || sources.length > 1) ? target : path.join(target, path.basename(each));
          cpSync(from, to, { recursive: true, verbatimSymlinks: true, filter: (file) => source !== undefined || reaches(file) });
        }
        break;
      }
      case 'ENV':
        for (const word of words(instruction)) {
          const [, name, value] = /^(\w+)=(.*)$/.exec(word)!;
          stage.env[name!] = inFolder(value!);
        }
        break;
      case 'ARG': {
        const [name, value] = content.split('=') as [string, string];
        stage.env[name] = value;
        break;
      }
      case 'RUN': {
        const script = content.replaceAll(/\\\r?\n/g, '');
        if (/\bapt-get\b/.test(script)) break;
        await promisify(execFile)('/bin/sh', ['-euc', inFolder(instead(script) ?? script)], {
          cwd: stage.folder,
          env: { HOME: process.env.HOME, ...proxies(), PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`, ...stage.env },
          maxBuffer: 64 * 2 ** 20,
        });
        break;
      }
      case 'CMD':
        command = JSON.parse(content) as string[];
    }
  }
  return { folder: stage.folder, env: stage.env, command };
}

/** How packages are reached from here. */
function proxies(): Record<string, string> {
  const names = /^(https?_proxy|no_proxy|npm_config_|pip_|ssl_cert|node_extra)/i;
  return Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => names.test(entry[0])));
}

function words(instruction: Instruction): string[] {
  return instruction.getArguments().map((argument) => argument.getValue());
}

/** Whether a path of an image is there. */
export function holds(image: TriedImage, file: string): boolean {
  return existsSync(path.join(image.folder, file));
}
