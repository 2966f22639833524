/** What changes, as it changes: one stream for all tabs of a browser, that goes on where it stopped.
 *
 * HTTP/1.1 allows six connections to a host, so the tabs share one: whoever holds the lock listens and tells the others. A hidden tab gives the
 * lock away and listens to nothing; seen again, it goes on after the last change that it knows.
 */

import { signal } from "@preact/signals";
import { ended, session } from "../state/session";
import { lookForUpdate } from "../state/version";
import type { Schemas } from "./client";

type Change = Schemas["gateway.v1.WatchChangesResponse"];

/** The kinds of things that the stream tells of. */
export type Kind = "firing" | "incident" | "delivery" | "mesh" | "alert";

/** Whether changes arrive: "open", not now ("waiting"), or on purpose not ("paused"). */
export const liveness = signal<"open" | "waiting" | "paused">("paused");

/** When the stream last said something, a heartbeat included (milliseconds of this browser's clock). */
export const heard = signal(0);

/** Kinds that cannot be followed now, and why. */
export const unfollowed = signal<ReadonlyMap<Kind, string>>(new Map());

const _NAME = "tocsin.live";
const _EVERY_MS = 200; // a thousand changes a second come as five
const _KINDS: readonly Kind[] = ["firing", "incident", "delivery", "mesh", "alert"];

const _listeners = new Map<Kind, Set<(changes: Change[]) => void>>();
const _channel = new BroadcastChannel(_NAME);
let _token = "";
let _batch: Change[] = [];
let _timer = 0;
let _gap = false;
let _opened = false;
let _release: (() => void) | null = null;

/** Calls `listener` with what changes of `kinds`, in batches; gives the function that ends it. */
export function onChange(kinds: readonly Kind[], listener: (changes: Change[]) => void): () => void {
  for (const kind of kinds) {
    const found = _listeners.get(kind) ?? new Set();
    _listeners.set(kind, found.add(listener));
  }
  return () => kinds.forEach((kind) => _listeners.get(kind)?.delete(listener));
}

/** Begins to listen, in whichever tab is seen. */
export function listen(): void {
  _channel.onmessage = ({ data }: MessageEvent<{ changes: Change[]; token: string; gap: boolean }>) => _take(data.changes, data.token, data.gap);
  document.addEventListener("visibilitychange", _seen);
  _seen();
}

function _seen(): void {
  if (document.hidden) {
    _release?.();
    liveness.value = "paused";
  } else if (!_release) {
    void _lead();
  }
}

/** Waits for the lock, and listens while this tab is seen. */
async function _lead(): Promise<void> {
  const waiting = new AbortController();
  _release = () => waiting.abort();
  liveness.value = "waiting";
  try {
    await navigator.locks.request(_NAME, { signal: waiting.signal }, () => new Promise<void>((done) => _hold(done)));
  } catch {
    // The tab was hidden while it waited; seen again, it waits anew.
  }
  _release = null;
  if (!document.hidden) void _lead();
}

function _hold(done: () => void): void {
  const url = _token ? `/v1/changes:watch?resumeToken=${encodeURIComponent(_token)}` : "/v1/changes:watch";
  const source = new EventSource(url);
  let delay = 0;
  const end = (again = 0) => {
    source.close();
    _release = null;
    delay = window.setTimeout(done, again);
  };
  _release = () => {
    window.clearTimeout(delay);
    end();
  };
  source.onopen = () => {
    _say("open");
    if (_opened) void lookForUpdate();
    _opened = true;
    if (_gap) _tell([], _token, true); // a kind that had told of nothing yet has no place to go on from
    _gap = false;
  };
  source.onmessage = ({ data }: MessageEvent<string>) => _gather(JSON.parse(data) as Change);
  source.addEventListener("error", (event) => {
    if (event instanceof MessageEvent) {
      const said = JSON.parse(event.data as string) as { code?: string };
      if (said.code === "INVALID_ARGUMENT") _token = ""; // too old to go on from: begin now, and read the lists again
      if (said.code === "UNAUTHENTICATED") ended();
    }
    _say("waiting");
    _gap = true;
    if (source.readyState === EventSource.CLOSED || event instanceof MessageEvent) end(session.value ? 1000 : 5000);
  });
}

function _say(state: "open" | "waiting"): void {
  liveness.value = state;
  if (state === "open") heard.value = Date.now();
}

function _gather(change: Change): void {
  _batch.push(change);
  _timer ||= window.setTimeout(() => {
    const [changes, token] = [_batch, _batch.at(-1)?.resumeToken ?? _token];
    _batch = [];
    _timer = 0;
    _tell(changes, token, false);
  }, _EVERY_MS);
}

function _tell(changes: Change[], token: string, gap: boolean): void {
  _channel.postMessage({ changes, token, gap });
  _take(changes, token, gap);
}

/** Calls whoever listens to what changed; after a gap, everybody: what is on the screen is read again. */
function _take(changes: Change[], token: string, gap: boolean): void {
  _token = token;
  heard.value = Date.now();
  liveness.value = "open";
  const standing = changes.filter((change) => change.standing);
  if (standing.length > 0) unfollowed.value = _after(standing);
  const of = (kind: Kind) => changes.filter((change) => change[kind] !== undefined);
  if (gap) void lookForUpdate();
  const told = new Set<(changes: Change[]) => void>();
  for (const kind of _KINDS) {
    if (of(kind).length === 0 && !gap) continue;
    for (const listener of _listeners.get(kind) ?? []) if (!told.has(listener)) told.add(listener) && listener(changes);
  }
}

function _after(changes: Change[]): ReadonlyMap<Kind, string> {
  const next = new Map(unfollowed.value);
  for (const { standing } of changes) {
    const kind = standing?.kind?.toLowerCase() as Kind;
    if (standing?.reason) next.set(kind, standing.reason);
    else next.delete(kind);
  }
  return next;
}
