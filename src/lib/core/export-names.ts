import { isStorable, UNSTORABLE } from '#lib/core/titles.ts';

/** What a file name can be made of. */
export interface NameParts {
  readonly title: string;
  readonly timecode: string;
  readonly clip: string;
  readonly start: string;
  readonly end: string;
  readonly tags: string;
  readonly stars: string;
}

/** Placeholders of a name template, with what stands for them. */
export const PLACEHOLDERS: Readonly<Record<keyof NameParts, string>> = {
  title: 'the video’s title',
  timecode: 'where the clip begins',
  clip: 'the clip’s number',
  start: 'its first frame',
  end: 'the frame after its last',
  tags: 'its tags',
  stars: 'its mean rating',
};

const MOST_CHARACTERS = 120;

/** Checks a template such as `{title} {timecode}`. Says what is wrong with it; null when nothing is. */
export function templateProblem(template: string): string | null {
  if (template.trim() === '') return 'The template is empty: give it at least {title}.';
  if (template.length > 200) return 'The template is longer than 200 characters.';
  if (!isStorable(template)) return UNSTORABLE;
  const unknown = [...template.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1] ?? '').find((name) => !Object.hasOwn(PLACEHOLDERS, name));
  const known = Object.keys(PLACEHOLDERS).map((name) => `{${name}}`);
  if (unknown !== undefined) return `There is no {${unknown}}: use ${known.join(', ')}.`;
  if (/[{}]/.test(template.replace(/\{[^{}]*\}/g, ''))) return 'A brace is open or closed alone: write placeholders as {title}.';
  return null;
}

/** A file name without extension that any file system takes. */
export function renderName(template: string, parts: NameParts): string {
  const name = template.replace(/\{(\w+)\}/g, (_, key: string) => parts[key as keyof NameParts] ?? '');
  const plain = name
    .replace(/[:;]/g, '-')
    .replace(/[^\p{L}\p{M}\p{N} _.,#()+-]/gu, '_')
    .replace(/\s+/g, ' ')
    .replace(/^[. ]+/, '');
  return (
    [...plain]
      .slice(0, MOST_CHARACTERS)
      .join('')
      .replace(/[. ]+$/, '') || 'clip'
  );
}

/** The names, each made different from those before it by a number. Letters of either case are the same. */
export function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let unique = name;
    for (let count = 2; taken.has(unique.toLowerCase()); count += 1) unique = `${name} (${count})`;
    taken.add(unique.toLowerCase());
    return unique;
  });
}
