/** What changes, as it changes: one stream for all tabs of a browser, that goes on where it stopped.
 *
 * HTTP/1.1 allows six connections to a host, so the tabs share one: whoever holds the lock listens and tells the others. A hidden tab gives the
 * lock away and listens to nothing; seen again, it goes on after the last change that it knows. The picture of the mesh, which comes every second
 * and is the largest of all changes, has a stream of its own, for as long as a page shows it.
 */

import { signal } from "../state/signals";
import { ended, session } from "../state/session";
import { lookForUpdate } from "../state/version";
import type { Schemas } from "./client";

type Change = Schemas["gateway.v1.WatchChangesResponse"];
type Told = { changes: Change[]; token: string; gap: boolean };

/** The kinds of things that the stream tells of. */
export type Kind = "firing" | "incident" | "delivery" | "mesh" | "alert" | "rotation";

/** Whether changes arrive: "open", not now ("waiting"), or on purpose not ("paused"). */
export const liveness = signal<"open" | "waiting" | "paused">("paused");

const _EVERY_MS = 200; // a thousand changes a second come as five

const _listeners = new Map<Kind, Set<(changes: Change[]) => void>>();

/** One stream, in whichever tab is seen and holds its lock. `say` hears how it stands; what comes within `every` milliseconds is told as one. */
class _Stream {
  #token = "";
  #batch: Change[] = [];
  #timer = 0;
  #gap = false;
  #opened = false;
  #runs = false;
  #turn = 0;
  #release: (() => void) | null = null;
  readonly #channel: BroadcastChannel;

  constructor(
    readonly name: string,
    readonly kinds: readonly Kind[],
    readonly every: number,
    readonly say: (state: "open" | "waiting" | "paused") => void = () => undefined,
  ) {
    this.#channel = new BroadcastChannel(name);
  }

  start(): void {
    this.#runs = true;
    this.#channel.onmessage = ({ data }: MessageEvent<Told>) => this.#take(data);
    document.addEventListener("visibilitychange", this.#seen);
    this.#seen();
  }

  stop(): void {
    this.#runs = false;
    this.#channel.onmessage = null;
    document.removeEventListener("visibilitychange", this.#seen);
    this.#release?.();
  }

  readonly #seen = (): void => {
    if (document.hidden) {
      this.#release?.();
      this.say("paused");
    } else if (!this.#release) {
      void this.#lead();
    }
  };

  /** Waits for the lock, and listens while this tab is seen. */
  async #lead(): Promise<void> {
    const waiting = new AbortController();
    const turn = ++this.#turn;
    this.#release = () => waiting.abort();
    this.say("waiting");
    try {
      await navigator.locks.request(this.name, { signal: waiting.signal }, () => new Promise<void>((done) => this.#hold(done)));
    } catch {
      // The tab was hidden while it waited; seen again, it waits anew.
    }
    if (turn !== this.#turn) return; // stopped and begun anew meanwhile: the later turn goes on
    this.#release = null;
    if (this.#runs && !document.hidden) void this.#lead();
  }

  #hold(done: () => void): void {
    const query = new URLSearchParams(this.kinds.map((kind) => ["kinds", kind.toUpperCase()]));
    if (this.#token) query.set("resumeToken", this.#token);
    const source = new EventSource(`/v1/changes:watch?${query}`);
    let delay = 0;
    const end = (again = 0) => {
      source.close();
      this.#release = null;
      delay = window.setTimeout(done, again);
    };
    this.#release = () => {
      window.clearTimeout(delay);
      end();
    };
    source.onopen = () => {
      this.say("open");
      if (this.#opened) void lookForUpdate();
      this.#opened = true;
      if (this.#gap) this.#tell([], this.#token, true); // a kind that had told of nothing yet has no place to go on from
      this.#gap = false;
    };
    source.onmessage = ({ data }: MessageEvent<string>) => this.#gather(JSON.parse(data) as Change);
    source.addEventListener("error", (event) => {
      if (event instanceof MessageEvent) {
        const said = JSON.parse(event.data as string) as { code?: string };
        if (said.code === "INVALID_ARGUMENT") this.#token = ""; // too old to go on from: begin now, and read the lists again
        if (said.code === "UNAUTHENTICATED") ended();
      }
      this.say("waiting");
      this.#gap = true;
      if (source.readyState === EventSource.CLOSED || event instanceof MessageEvent) end(session.value ? 1000 : 5000);
    });
  }

  #gather(change: Change): void {
    this.#batch.push(change);
    this.#timer ||= window.setTimeout(() => {
      const [changes, token] = [this.#batch, this.#batch.at(-1)?.resumeToken ?? this.#token];
      this.#batch = [];
      this.#timer = 0;
      this.#tell(changes, token, false);
    }, this.every);
  }

  #tell(changes: Change[], token: string, gap: boolean): void {
    const told = { changes, token, gap };
    this.#channel.postMessage(told);
    this.#take(told);
  }

  /** Calls whoever listens to what changed; after a gap, everybody: what is on the screen is read again. */
  #take({ changes, token, gap }: Told): void {
    this.#token = token;
    this.say("open");
    if (gap) void lookForUpdate();
    const told = new Set<(changes: Change[]) => void>();
    for (const kind of this.kinds) {
      if (!gap && !changes.some((change) => change[kind] !== undefined)) continue;
      for (const listener of _listeners.get(kind) ?? []) if (!told.has(listener)) told.add(listener) && listener(changes);
    }
  }
}

const _changes = new _Stream("tocsin.live", ["firing", "incident", "delivery", "alert", "rotation"], _EVERY_MS, (state) => (liveness.value = state));
const _mesh = new _Stream("tocsin.live.mesh", ["mesh"], 0);

/** Calls `listener` with what changes of `kinds`, in batches; gives the function that ends it. */
export function onChange(kinds: readonly Kind[], listener: (changes: Change[]) => void): () => void {
  for (const kind of kinds) {
    const found = _listeners.get(kind) ?? new Set();
    _listeners.set(kind, found.add(listener));
    if (kind === "mesh" && found.size === 1) _mesh.start();
  }
  return () => {
    for (const kind of kinds) {
      const found = _listeners.get(kind);
      if (found?.delete(listener) && kind === "mesh" && found.size === 0) _mesh.stop();
    }
  };
}

/** Begins to listen, in whichever tab is seen. */
export function listen(): void {
  _changes.start();
}
