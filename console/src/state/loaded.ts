/** What a page shows: loaded once, loaded again when it may have changed, and kept on the screen while that fails. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { onChange, type Kind } from "../api/live";
import { ApiError } from "../api/problem";
import { serverNow } from "./clock";

/** Where loading stands. `data` stays what it was while it is loaded again, and when that fails. */
export interface Loaded<T> {
  data: T | undefined;
  error: ApiError | null;
  /** When `data` was loaded (milliseconds since 1970, by the server); 0: not yet. */
  at: number;
  again: () => void;
  put: (change: (data: T) => T) => void;
}

const _SETTLE_MS = 1000;

/** Loads when the page opens, when one of `keys` changes, and, at most once in `settle` milliseconds and one after the other, when something of
 * `kinds` changes: an API that is slower than that is asked again once it has answered. What tells of no change is asked again `every` so many
 * milliseconds while the page is seen; 0: never.
 */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>, keys: readonly unknown[], kinds: readonly Kind[] = [], settle = _SETTLE_MS, every = 0): Loaded<T> {
  const [state, setState] = useState<{ data: T | undefined; error: ApiError | null; at: number }>({ data: undefined, error: null, at: 0 });
  const running = useRef<AbortController | null>(null);
  const run = useCallback((fresh: boolean) => {
    running.current?.abort();
    const mine = (running.current = new AbortController());
    if (fresh) setState({ data: undefined, error: null, at: 0 });
    load(mine.signal).then(
      (data) => {
        if (mine.signal.aborted) return;
        running.current = null;
        setState({ data, error: null, at: serverNow() });
      },
      (error: unknown) => {
        if (mine.signal.aborted) return;
        running.current = null;
        if (!(error instanceof ApiError)) throw error;
        setState((was) => ({ ...was, error }));
        if (error.passes) window.setTimeout(() => mine.signal.aborted || running.current || run(false), Math.max(error.retryAfter, 3) * 1000);
      },
    );
  }, keys);
  useEffect(() => {
    run(true);
    let timer = 0;
    const soon = () => (timer ||= window.setTimeout(() => ((timer = 0), running.current ? soon() : run(false)), settle));
    const seen = () => document.hidden || soon();
    document.addEventListener("visibilitychange", seen);
    const end = onChange(kinds, soon);
    const beat = every && window.setInterval(seen, every);
    return () => {
      end();
      window.clearInterval(beat);
      document.removeEventListener("visibilitychange", seen);
      window.clearTimeout(timer);
      running.current?.abort();
    };
  }, [run]);
  const put = useCallback((change: (data: T) => T) => {
    setState((was) => (was.data === undefined ? was : { ...was, data: change(was.data) }));
  }, []);
  return { ...state, again: () => run(false), put };
}
