import { liveSocket, type Following, type LiveSocket } from '#lib/client/socket.ts';
import {
  applyReply,
  applySignalToLibrary,
  applySignalToVideo,
  applyToLibrary,
  applyToVideo,
  type ClipsDelta,
  type LibrarySnapshot,
  type VideoData,
  type VideoSnapshot,
} from '#lib/live/apply-event.ts';
import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import type { CommentView, DrawingView } from '#lib/live/talk-views.ts';
import { videoTopic, type Topic } from '#lib/live/topics.ts';
import type { ClipView, StageView, VideoView } from '#lib/live/views.ts';

/** A topic and the event number that the page's data includes. */
export interface TopicPosition {
  readonly topic: Topic;
  readonly afterSeq: number;
}

/** What a `LiveStore` follows, and whom it tells. */
export interface LiveStoreOptions {
  readonly topics: readonly TopicPosition[];
  apply(event: LiveEvent): void;
  signal?(signal: LiveSignal): void;
  /** A topic is followed, for the first time or again after a lost connection. */
  onFollowing?(topic: Topic): void;
  /** A topic may no longer be followed. */
  onShutOut?(topic: Topic): void;
  /** Loads the page's data again (`invalidateAll`); the page then calls `restart`. */
  onReset(): unknown;
}

/** Keeps a page's state live: follows its topics from where the page's data ends. */
export class LiveStore {
  readonly #options: LiveStoreOptions;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- bookkeeping, nothing is drawn from it
  readonly #followings = new Map<Topic, Following>();
  #socket: LiveSocket | undefined;

  constructor(options: LiveStoreOptions) {
    this.#options = options;
  }

  /** Begins to follow; gives the function that ends it. Use: `$effect(() => store.start())`, in the browser. */
  start(socket: LiveSocket = liveSocket()): () => void {
    this.#socket = socket;
    for (const position of this.#options.topics) this.#follow(socket, position);
    return () => {
      for (const following of this.#followings.values()) following.stop();
      this.#followings.clear();
      this.#socket = undefined;
    };
  }

  /** Goes on from newly loaded data. Topics that are not named any more are left. */
  restart(topics: readonly TopicPosition[]): void {
    if (this.#socket === undefined) return;
    for (const [topic, following] of this.#followings) {
      if (topics.some((position) => position.topic === topic)) continue;
      following.stop();
      this.#followings.delete(topic);
    }
    for (const position of topics) {
      const following = this.#followings.get(position.topic);
      if (following === undefined) this.#follow(this.#socket, position);
      else following.restart(position.afterSeq);
    }
  }

  #follow(socket: LiveSocket, { topic, afterSeq }: TopicPosition): void {
    this.#followings.set(
      topic,
      socket.follow(topic, afterSeq, {
        onEvent: (event) => this.#options.apply(event),
        onSignal: (signal) => this.#options.signal?.(signal),
        onFollowing: () => this.#options.onFollowing?.(topic),
        onShutOut: () => this.#options.onShutOut?.(topic),
        onReset: () => void this.#options.onReset(),
      }),
    );
  }
}

/** The library, live. */
export class LibraryState {
  #snapshot = $state.raw<LibrarySnapshot>({ videos: [], seq: 0 });
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- made anew with each snapshot, never changed
  #byId = $derived(new Map(this.#snapshot.videos.map((video) => [video.id, video])));
  readonly #store: LiveStore;

  /** `onReset` loads the page's data again: `() => invalidateAll()`. */
  constructor(loaded: LibrarySnapshot, onReset: () => unknown) {
    this.#snapshot = { videos: loaded.videos, seq: loaded.seq };
    this.#store = new LiveStore({
      topics: [{ topic: 'library', afterSeq: loaded.seq }],
      apply: (event) => {
        this.#snapshot = applyToLibrary(this.#snapshot, event);
      },
      signal: (signal) => {
        this.#snapshot = applySignalToLibrary(this.#snapshot, signal);
      },
      onReset,
    });
  }

  /** All videos, newest first. */
  get videos(): readonly VideoView[] {
    return this.#snapshot.videos;
  }

  /** A video by its id. */
  video(videoId: number): VideoView | undefined {
    return this.#byId.get(videoId);
  }

  /** Follows the library while the page is shown: `$effect(() => library.start())`. */
  start(): () => void {
    return this.#store.start();
  }

  /** Takes over newly loaded data. */
  replace(loaded: LibrarySnapshot): void {
    this.#snapshot = { videos: loaded.videos, seq: loaded.seq };
    this.#store.restart([{ topic: 'library', afterSeq: loaded.seq }]);
  }
}

/** What a page hears beside state. */
export interface PageHooks {
  /** Loads the page's data again. */
  onReset(): unknown;
  /** Hears what is not state, such as `clip-ready`. */
  onSignal?(signal: LiveSignal): void;
  /** The page's topic is followed, for the first time or again. */
  onFollowing?(): void;
}

/** One video with its clips, live. */
export class VideoState {
  #snapshot = $state.raw<VideoSnapshot>() as VideoSnapshot;
  readonly #store: LiveStore;

  constructor(loaded: VideoData, hooks: PageHooks) {
    this.#snapshot = toSnapshot(loaded);
    this.#store = new LiveStore({
      topics: [{ topic: videoTopic(loaded.video.id), afterSeq: loaded.seq }],
      apply: (event) => {
        this.#snapshot = applyToVideo(this.#snapshot, event);
      },
      signal: (signal) => {
        this.#snapshot = applySignalToVideo(this.#snapshot, signal);
        hooks.onSignal?.(signal);
      },
      onFollowing: () => hooks.onFollowing?.(),
      onReset: () => hooks.onReset(),
    });
  }

  /** The video. */
  get video(): VideoView {
    return this.#snapshot.video;
  }

  /** Its live clips, in source order. */
  get clips(): readonly ClipView[] {
    return this.#snapshot.clips;
  }

  /** Its stages, with their progress. */
  get stages(): readonly StageView[] {
    return this.#snapshot.stages;
  }

  /** Its latest events, oldest first. */
  get log(): readonly LiveEvent[] {
    return this.#snapshot.log;
  }

  /** Its comments, in the order of the film. */
  get comments(): readonly CommentView[] {
    return this.#snapshot.comments;
  }

  /** Its drawings, oldest first. */
  get drawings(): readonly DrawingView[] {
    return this.#snapshot.drawings;
  }

  /** Whether it has been deleted. */
  get isRemoved(): boolean {
    return this.#snapshot.isRemoved;
  }

  /** Shows the reply to an own command at once, ahead of its event. */
  applyReply(reply: ClipsDelta): void {
    this.#snapshot = applyReply(this.#snapshot, reply);
  }

  /** Follows the video while the page is shown: `$effect(() => video.start())`. */
  start(): () => void {
    return this.#store.start();
  }

  /** Takes over newly loaded data, of the same video or another. */
  replace(loaded: VideoData): void {
    this.#snapshot = toSnapshot(loaded);
    this.#store.restart([{ topic: videoTopic(loaded.video.id), afterSeq: loaded.seq }]);
  }
}

function toSnapshot(loaded: VideoData): VideoSnapshot {
  return { ...loaded, replaced: new Map(), isRemoved: false };
}
