/** What can be done on the review page. */
export type ReviewAction =
  | 'approve'
  | 'skip'
  | 'archive'
  | 'reopen'
  | 'group'
  | 'merge'
  | 'split'
  | 'move-cut-back'
  | 'move-cut-on'
  | 'move-cut-back-10'
  | 'move-cut-on-10'
  | 'undo'
  | 'redo'
  | 'previous-clip'
  | 'next-clip'
  | 'play'
  | 'step-back'
  | 'step-on'
  | 'step-back-10'
  | 'step-on-10'
  | 'mute'
  | 'slower'
  | 'faster'
  | 'loop-in'
  | 'loop-out'
  | 'loop-off'
  | 'comment'
  | 'draw'
  | 'tag'
  | 'rate-1'
  | 'rate-2'
  | 'rate-3'
  | 'rate-4'
  | 'rate-5'
  | 'rate-0'
  | 'alike'
  | 'take-lead'
  | 'free-look'
  | 'help';

const RATINGS = [1, 2, 3, 4, 5, 0] as const;

/** Keys in tinykeys' notation, what they do, and the words for the map. */
export const SHORTCUTS: readonly { readonly keys: readonly string[]; readonly action: ReviewAction; readonly label: string }[] = [
  { keys: ['a'], action: 'approve', label: 'Approve' },
  { keys: ['s'], action: 'skip', label: 'Skip' },
  { keys: ['x'], action: 'archive', label: 'Archive' },
  { keys: ['r'], action: 'reopen', label: 'Back to pending' },
  { keys: ['g'], action: 'group', label: 'Group with the previous clip' },
  { keys: ['m'], action: 'merge', label: 'Merge with the previous clip' },
  { keys: ['c', 'Enter'], action: 'split', label: 'Split at the current frame' },
  { keys: ['['], action: 'move-cut-back', label: 'Move the clip’s first cut back a frame' },
  { keys: [']'], action: 'move-cut-on', label: 'Move the clip’s first cut on a frame' },
  { keys: ['Shift+{'], action: 'move-cut-back-10', label: 'Move the cut back 10 frames' },
  { keys: ['Shift+}'], action: 'move-cut-on-10', label: 'Move the cut on 10 frames' },
  { keys: ['u', '$mod+z'], action: 'undo', label: 'Undo your last decision' },
  { keys: ['Shift+U', '$mod+Shift+Z'], action: 'redo', label: 'Redo' },
  { keys: ['k'], action: 'previous-clip', label: 'Previous clip' },
  { keys: ['j'], action: 'next-clip', label: 'Next clip' },
  { keys: ['Space'], action: 'play', label: 'Play or pause' },
  { keys: ['ArrowLeft'], action: 'step-back', label: 'One frame back' },
  { keys: ['ArrowRight'], action: 'step-on', label: 'One frame on' },
  { keys: ['Shift+ArrowLeft'], action: 'step-back-10', label: 'Ten frames back' },
  { keys: ['Shift+ArrowRight'], action: 'step-on-10', label: 'Ten frames on' },
  { keys: ['-'], action: 'slower', label: 'Slower' },
  { keys: ['+', 'Shift++', '='], action: 'faster', label: 'Faster' },
  { keys: ['v'], action: 'mute', label: 'Sound on or off' },
  { keys: ['i'], action: 'loop-in', label: 'Loop from this frame' },
  { keys: ['o'], action: 'loop-out', label: 'Loop up to this frame' },
  { keys: ['p'], action: 'loop-off', label: 'Loop the whole clip again' },
  { keys: ['n'], action: 'comment', label: 'Comment on this frame' },
  { keys: ['d'], action: 'draw', label: 'Draw on this frame, or stop drawing' },
  { keys: ['b'], action: 'tag', label: 'Tag the clip' },
  ...RATINGS.map((stars) => ({
    keys: [String(stars)],
    action: `rate-${stars}` as const,
    label: stars === 0 ? 'Take your stars back' : `Give ${stars} ${stars === 1 ? 'star' : 'stars'}`,
  })),
  { keys: ['l'], action: 'alike', label: 'Decide all clips like this one' },
  { keys: ['t'], action: 'take-lead', label: 'In a session: take the lead' },
  { keys: ['f'], action: 'free-look', label: 'In a session: look around freely, or go back to the lead' },
  { keys: ['Shift+?'], action: 'help', label: 'Show this map' },
];

/** Keys of the queue monitor. */
export const QUEUE_SHORTCUTS: readonly { readonly keys: readonly string[]; readonly label: string }[] = [
  { keys: ['j'], label: 'Next job' },
  { keys: ['k'], label: 'Previous job' },
  { keys: ['Enter'], label: 'Open the job' },
  { keys: ['x'], label: 'Select the job, or not' },
  { keys: ['r'], label: 'Retry it, or all that are selected' },
  { keys: ['c'], label: 'Cancel it, or all that are selected' },
  { keys: ['u'], label: 'Undo the last action' },
  { keys: ['/'], label: 'Search' },
  { keys: ['Escape'], label: 'Select none' },
  { keys: ['Shift+?'], label: 'Show this map' },
];

const KEY_NAMES: Readonly<Record<string, string>> = {
  ArrowLeft: '←',
  ArrowRight: '→',
  'Shift+ArrowLeft': 'Shift ←',
  'Shift+ArrowRight': 'Shift →',
  'Shift+{': 'Shift [',
  'Shift+}': 'Shift ]',
  'Shift+?': '?',
  'Shift+U': 'Shift U',
  '$mod+z': 'Ctrl Z',
  '$mod+Shift+Z': 'Ctrl Shift Z',
};
/** Variants of a key that need no word in the map. */
const HIDDEN_KEYS = ['Shift++', '='];

/** An action's keys as they are printed on a keyboard. */
export function keysOf(action: ReviewAction): string[] {
  return printedKeys(SHORTCUTS.find((shortcut) => shortcut.action === action)?.keys ?? []);
}

/** Keys in tinykeys' notation as they are printed on a keyboard. */
export function printedKeys(keys: readonly string[]): string[] {
  return keys.filter((key) => !HIDDEN_KEYS.includes(key)).map((key) => KEY_NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key));
}
