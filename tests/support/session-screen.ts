import { randomUUID } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import { LiveSocket, type Following } from '#lib/client/socket.ts';
import { applyReply, applyToVideo, type VideoSnapshot } from '#lib/live/apply-event.ts';
import { applyToSession, type SessionData, type SessionSnapshot } from '#lib/live/apply-session.ts';
import type { RequestName, Requests } from '#lib/live/commands.ts';
import { sessionTopic, videoTopic } from '#lib/live/topics.ts';
import type { Database } from '#lib/server/db.ts';
import { sessionPage } from '#lib/server/features/browse-library.ts';
import type { Actor } from '#lib/server/features/rights.ts';

/** What a scripted reviewer does, the frequent things more than once. */
export const STEP_KINDS = [
  ...['approve', 'approve', 'skip', 'archive', 'reopen', 'split', 'split', 'merge', 'move-cut', 'group', 'undo', 'undo', 'redo'],
  ...['tag', 'rate', 'comment', 'comment', 'talk', 'talk', 'claim', 'claim', 'set-mode', 'set-votes', 'take-lead', 'break-off'],
] as const;
/** One thing to do; `index` and `amount` choose with what. */
export interface ScreenStep {
  readonly kind: (typeof STEP_KINDS)[number];
  readonly index: number;
  readonly amount: number;
}

/** A command that was answered: what the database must hold of it. */
export interface Acknowledged {
  readonly commandId: string;
  readonly kind: string;
}

/** Where a screen's socket connects, and how it says who it is. */
export interface ScreenLine {
  readonly url: string;
  readonly cookie: string;
}

/** What all screens of a run have in common. */
export interface ScreenSetting {
  readonly sql: Database;
  readonly sessionId: number;
  /** People to mention. */
  readonly actors: readonly Actor[];
}

/** A session page without the browser: the app's socket and reducers. */
export class SessionScreen {
  readonly actor: Actor;
  readonly acknowledged: Acknowledged[] = [];
  session!: SessionSnapshot;
  readonly videos = new Map<number, VideoSnapshot>();
  readonly #setting: ScreenSetting;
  #socket!: Socket;
  #live: LiveSocket | undefined;
  #followings: Following[] = [];
  #leave: () => void = () => undefined;
  #isLeft: Promise<void> = Promise.resolve();

  constructor(actor: Actor, setting: ScreenSetting) {
    this.actor = actor;
    this.#setting = setting;
  }

  /** Opens the page on a node, as after a reload. */
  async open({ url, cookie }: ScreenLine): Promise<void> {
    this.close();
    const page = (await sessionPage(this.#setting.sql, this.#setting.sessionId))!;
    this.#take(page);
    this.#isLeft = new Promise((resolve) => (this.#leave = resolve));
    this.#socket = io(url, {
      ...{ transports: ['websocket'], forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 60 },
      extraHeaders: { cookie },
    });
    const socket = this.#socket;
    this.#live = new LiveSocket(
      () => socket as never,
      () => undefined,
    );
    const onReset = () => void this.#reload();
    this.#followings = [
      this.#live.follow(sessionTopic(this.#setting.sessionId), page.seq, {
        onEvent: (event) => (this.session = applyToSession(this.session, event)),
        onSignal: () => undefined,
        onReset,
      }),
      ...page.videos.map(({ video, seq }) =>
        this.#live!.follow(videoTopic(video.id), seq, {
          onEvent: (event) => this.videos.set(video.id, applyToVideo(this.videos.get(video.id)!, event)),
          onSignal: () => undefined,
          onReset,
        }),
      ),
    ];
  }

  /** Breaks the connection off; the socket comes back by itself. */
  breakOff(): void {
    // An engine that is told to close while it still opens is waited for in vain: no network does that.
    if (this.#socket.connected) this.#socket.io.engine.close();
  }

  close(): void {
    this.#leave();
    this.#live?.close();
  }

  /** Asks the server; a page that is left before the answer never learns it. */
  #ask<Name extends RequestName>(name: Name, request: Requests[Name]) {
    return Promise.race([this.#live!.request(name, request), this.#isLeft.then(() => ({ kind: 'lost' }) as const)]);
  }

  /** Does one thing with what is on the screen now. */
  async act(step: ScreenStep): Promise<void> {
    const clips = [...this.videos.values()].flatMap((video) => video.clips);
    const clip = clips[step.index % clips.length]!;
    const { sessionId, actors } = this.#setting;
    const command = { commandId: randomUUID(), clipId: clip.id, version: clip.version, sessionId };
    switch (step.kind) {
      case 'split':
        return this.#review({
          ...command,
          kind: 'split',
          atFrame: clip.startFrame + 1 + (step.amount % (clip.endFrame - clip.startFrame)),
        });
      case 'move-cut':
        return this.#review({ ...command, kind: 'move-cut', byFrames: (step.amount % 9) - 4 });
      case 'undo':
      case 'redo': {
        const request = { commandId: randomUUID(), scope: { kind: 'session', sessionId }, direction: step.kind } as const;
        const reply = await this.#ask('undo', request);
        return this.#note(request.commandId, reply);
      }
      case 'tag':
        return void (await this.#ask('mark', {
          kind: 'tag',
          sessionId,
          clipId: clip.id,
          tag: `t${step.amount % 3}`,
          isOn: step.index % 3 > 0,
        }));
      case 'rate':
        return void (await this.#ask('mark', { kind: 'rate', sessionId, clipId: clip.id, stars: step.amount % 6 }));
      case 'comment': {
        const { videoId, startFrame, endFrame } = clip;
        const body = `@${actors[step.amount % actors.length]!.name} and @${actors[step.index % actors.length]!.name}`;
        const add = { kind: 'add', id: randomUUID(), sessionId, videoId, parentId: null, startFrame, endFrame, body } as const;
        return void (await this.#ask('comment', add));
      }
      case 'talk': {
        const comments = [...this.videos.values()].flatMap((video) => video.comments);
        const about = comments[step.index % Math.max(1, comments.length)];
        if (about === undefined) return;
        const { id, videoId, startFrame, endFrame } = about;
        const requests: Requests['comment'][] = [
          { kind: 'delete', id, sessionId },
          { kind: 'edit', id, sessionId, body: `changed ${step.amount}` },
          { kind: 'resolve', id, sessionId, isResolved: step.amount % 2 > 0 },
          { kind: 'react', id, sessionId, emoji: '👍', isOn: step.amount % 3 > 0 },
          { kind: 'add', id: randomUUID(), sessionId, videoId, parentId: id, startFrame, endFrame, body: 'Yes' },
        ];
        return void (await this.#ask('comment', requests[step.amount % requests.length]!));
      }
      case 'claim':
        return void (await this.#ask('claim', { sessionId }));
      case 'set-mode':
        return void (await this.#ask('session', {
          kind: 'set-mode',
          sessionId,
          mode: step.amount % 2 > 0 ? 'divide' : 'together',
        }));
      case 'set-votes':
        return void (await this.#ask('session', { kind: 'set-votes', sessionId, votesNeeded: 1 + (step.amount % 2) }));
      case 'take-lead':
        return void (await this.#ask('session', { kind: 'take-lead', sessionId }));
      case 'break-off':
        return this.breakOff();
      default:
        return this.#review({ ...command, kind: step.kind });
    }
  }

  async #review(request: Requests['review']): Promise<void> {
    const reply = await this.#ask('review', request);
    this.#note(request.commandId, reply);
  }

  #note(commandId: string, reply: { readonly kind: string }): void {
    this.acknowledged.push({ commandId, kind: reply.kind });
    if (reply.kind !== 'ok') return;
    for (const [id, video] of this.videos) this.videos.set(id, applyReply(video, reply as never));
  }

  #take(page: SessionData): void {
    const { session, members, claims, votes, seq } = page;
    this.session = { session, members, claims, votes, seq };
    for (const video of page.videos) this.videos.set(video.video.id, { ...video, replaced: new Map(), isRemoved: false });
  }

  async #reload(): Promise<void> {
    const page = (await sessionPage(this.#setting.sql, this.#setting.sessionId))!;
    this.#take(page);
    [page.seq, ...page.videos.map((video) => video.seq)].forEach((seq, index) => this.#followings[index]?.restart(seq));
  }

  /** How far it has come in each topic. */
  seqs(): number[] {
    return [this.session.seq, ...[...this.videos.values()].map((video) => video.seq)];
  }
}

/** What a screen shows of a session: votes on clips as they were no longer count. */
export function shown(session: Omit<SessionSnapshot, 'seq'>, videos: readonly Pick<VideoSnapshot, 'video' | 'clips' | 'comments'>[]) {
  const clips = videos.flatMap((video) => video.clips);
  const isCurrent = (vote: { clipId: number; version: number }) =>
    clips.some((clip) => clip.id === vote.clipId && clip.version === vote.version);
  return {
    session: session.session,
    members: session.members,
    claims: session.claims,
    votes: session.votes.filter(isCurrent).toSorted((one, other) => one.clipId - other.clipId || one.userId - other.userId),
    clips,
    comments: videos.map((video) => video.comments),
    counts: videos.map((video) => video.video.clipCounts),
  };
}
