import { colorOf } from '#lib/client/room.svelte.ts';
import type { CommentView, DrawingView } from '#lib/live/talk-views.ts';

/** Something that was said about frames, as a timeline marks it. */
export interface TimelineMark {
  readonly id: string;
  readonly startFrame: number;
  readonly endFrame: number;
  readonly label: string;
  readonly color: string;
  readonly isResolved: boolean;
}

/** The marks for threads of comments, and for drawings: those on one frame are one mark. */
export function timelineMarks(comments: readonly CommentView[], drawings: readonly DrawingView[]): TimelineMark[] {
  const threads = comments
    .filter((comment) => comment.parentId === null)
    .map(({ id, startFrame, endFrame, author, body, resolvedBy }) => ({
      ...{ id, startFrame, endFrame, label: `${author.name}: ${body}`, color: colorOf(author.id), isResolved: resolvedBy !== null },
    }));
  const drawn = [...Map.groupBy(drawings, (drawing) => drawing.frame)].map(([frame, all]) => {
    const names = [...new Set(all.map((drawing) => drawing.author.name))].join(', ');
    return {
      id: `drawing-${frame}`,
      startFrame: frame,
      endFrame: frame + 1,
      label: `${all.length} ${all.length === 1 ? 'drawing' : 'drawings'} by ${names}`,
      color: colorOf(all[0]?.author.id ?? 0),
      isResolved: false,
    };
  });
  return [...threads, ...drawn];
}
