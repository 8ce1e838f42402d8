import { SvelteMap } from 'svelte/reactivity';
import { liveSocket, type Unreachable } from '#lib/client/socket.ts';
import { colorOf, type Room } from '#lib/client/room.svelte.ts';
import type { FrameSpan } from '#lib/core/cuts.ts';
import { MAX_DRAWING_POINTS, type CommentCommand, type DoneReply, type DrawCommand, type MarkCommand } from '#lib/live/commands.ts';
import type { DrawingTool, DrawingView, EMOJI } from '#lib/live/talk-views.ts';

/** Points nearer than this share of the picture say nothing new. */
const LEAST_STEP = 0.004;
const TELL_STROKE_MS = 50;

/** A drawing as the page shows it, whoever makes it and however far it has come. */
export type ShownDrawing = Pick<DrawingView, 'id' | 'videoId' | 'frame' | 'tool' | 'color' | 'points'>;

/** What people say about the picture: comments, drawings, tags and stars. All of it goes by the server. */
export class Talk {
  readonly #room: Room;
  readonly #ownId: number;
  readonly #sessionId: number | undefined;
  readonly #complain: (message: string) => void;
  #isDrawing = $state(false);
  #tool = $state<DrawingTool>('pen');
  #color = $state('');
  #stroke = $state.raw<ShownDrawing | null>(null);
  #strokeToldAtMs = 0;
  /** Finished here, and not come back as an event yet. */
  readonly #sent = new SvelteMap<string, ShownDrawing>();
  readonly #ownDrawingIds: string[] = [];

  /** `complain` tells the person what the server refused. */
  constructor(room: Room, ownId: number, sessionId: number | undefined, complain: (message: string) => void) {
    this.#room = room;
    this.#ownId = ownId;
    this.#sessionId = sessionId;
    this.#complain = complain;
    this.#color = colorOf(ownId);
  }

  /** Whether the pointer draws on the picture. */
  get isDrawing(): boolean {
    return this.#isDrawing;
  }

  set isDrawing(isDrawing: boolean) {
    this.#isDrawing = isDrawing;
    if (!isDrawing) this.#stroke = null;
  }

  get tool(): DrawingTool {
    return this.#tool;
  }

  set tool(tool: DrawingTool) {
    this.#tool = tool;
  }

  get color(): string {
    return this.#color;
  }

  set color(color: string) {
    this.#color = color;
  }

  /** Comments on frames; gives whether it was taken. */
  async addComment(videoId: number, { startFrame, endFrame }: FrameSpan, body: string, parentId: string | null): Promise<boolean> {
    return this.#comment({ kind: 'add', id: crypto.randomUUID(), videoId, startFrame, endFrame, body, parentId });
  }

  async editComment(id: string, body: string): Promise<boolean> {
    return this.#comment({ kind: 'edit', id, body });
  }

  async deleteComment(id: string): Promise<boolean> {
    return this.#comment({ kind: 'delete', id });
  }

  async resolve(id: string, isResolved: boolean): Promise<boolean> {
    return this.#comment({ kind: 'resolve', id, isResolved });
  }

  async react(id: string, emoji: (typeof EMOJI)[number], isOn: boolean): Promise<boolean> {
    return this.#comment({ kind: 'react', id, emoji, isOn });
  }

  async setTag(clipId: number, tag: string, isOn: boolean): Promise<boolean> {
    return this.#mark({ kind: 'tag', clipId, tag, isOn });
  }

  async rate(clipId: number, stars: number): Promise<boolean> {
    return this.#mark({ kind: 'rate', clipId, stars });
  }

  /** Drawings on a frame: stored ones, those of others under way, and one's own. */
  drawingsOn(stored: readonly DrawingView[], videoId: number, fromFrame: number, toFrame: number): ShownDrawing[] {
    const isStored = (id: string) => stored.some((drawing) => drawing.id === id);
    const loose = [...this.#room.strokes, ...this.#sent.values(), ...(this.#stroke === null ? [] : [this.#stroke])];
    return [...stored, ...loose.filter((drawing) => !isStored(drawing.id))].filter(
      (drawing) => drawing.videoId === videoId && drawing.frame >= fromFrame && drawing.frame <= toFrame,
    );
  }

  /** The pen touches the picture, at shares of its width and height. */
  beginStroke(videoId: number, frame: number, x: number, y: number): void {
    const at = [round(x), round(y)];
    const points = this.#tool === 'pen' ? at : [...at, ...at];
    this.#stroke = { id: crypto.randomUUID(), videoId, frame, tool: this.#tool, color: this.#color, points };
  }

  /** The pen has moved; the others see it as it comes. */
  moveStroke(x: number, y: number): void {
    const stroke = this.#stroke;
    if (stroke === null) return;
    const { points } = stroke;
    if (stroke.tool === 'pen') {
      const [lastX = 0, lastY = 0] = points.slice(-2);
      if (Math.hypot(x - lastX, y - lastY) < LEAST_STEP) return;
      const kept = points.length < 2 * MAX_DRAWING_POINTS ? points : thinnedOut(points);
      this.#stroke = { ...stroke, points: [...kept, round(x), round(y)] };
    } else {
      this.#stroke = { ...stroke, points: [...points.slice(0, 2), round(x), round(y)] };
    }
    const nowMs = performance.now();
    if (nowMs - this.#strokeToldAtMs < TELL_STROKE_MS) return;
    this.#strokeToldAtMs = nowMs;
    liveSocket().say({ kind: 'stroke', topic: this.#room.topic, stroke: { ...this.#stroke, points: [...this.#stroke.points] } });
  }

  /** The pen is lifted: the drawing is stored. A mere touch is none. */
  async endStroke(): Promise<void> {
    const stroke = this.#stroke;
    this.#stroke = null;
    if (stroke === null || extent(stroke.points) < LEAST_STEP) return;
    this.#sent.set(stroke.id, stroke);
    this.#ownDrawingIds.push(stroke.id);
    await this.#draw({ kind: 'add', ...stroke, points: [...stroke.points] });
    // By then its event has come, or it was refused.
    setTimeout(() => this.#sent.delete(stroke.id), 1_500);
  }

  /** Takes away one's own latest drawing: of this visit, else the latest on the frame. */
  async undoDrawing(stored: readonly DrawingView[], videoId: number, frame: number): Promise<void> {
    const onFrame = stored.filter((drawing) => drawing.author.id === this.#ownId && drawing.videoId === videoId && drawing.frame === frame);
    const id = this.#ownDrawingIds.pop() ?? onFrame.at(-1)?.id;
    if (id === undefined) return;
    this.#sent.delete(id);
    await this.#draw({ kind: 'remove', id });
  }

  /** Takes away all of one's own drawings on a frame. */
  async clearDrawings(videoId: number, frame: number): Promise<void> {
    this.#sent.clear();
    await this.#draw({ kind: 'clear', videoId, frame });
  }

  async #comment(command: CommentCommand): Promise<boolean> {
    return this.#isDone(await liveSocket().request('comment', { ...command, ...this.#session() }));
  }

  async #draw(command: DrawCommand): Promise<boolean> {
    return this.#isDone(await liveSocket().request('draw', { ...command, ...this.#session() }));
  }

  async #mark(command: MarkCommand): Promise<boolean> {
    return this.#isDone(await liveSocket().request('mark', { ...command, ...this.#session() }));
  }

  #session(): { sessionId?: number } {
    return this.#sessionId === undefined ? {} : { sessionId: this.#sessionId };
  }

  #isDone(reply: DoneReply | Unreachable): boolean {
    if (reply.kind !== 'ok') this.#complain(reply.message);
    return reply.kind === 'ok';
  }
}

function round(share: number): number {
  return Math.round(Math.min(1.5, Math.max(-0.5, share)) * 1e4) / 1e4;
}

/** Every other point: what is left still has the form. */
function thinnedOut(points: readonly number[]): number[] {
  return points.filter((_, index) => index % 4 < 2);
}

/** The larger side of the box around points. */
function extent(points: readonly number[]): number {
  const xs = points.filter((_, index) => index % 2 === 0);
  const ys = points.filter((_, index) => index % 2 === 1);
  return Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
}
