/** A list that is loaded page by page. */

import { useCallback, useRef, useState } from "preact/hooks";
import type { Kind } from "../api/live";
import { useLoaded, type Loaded } from "./loaded";
import { joined, unique, type Part } from "./parts";

export type { Part } from "./parts";

/** What most rows are told apart by: their resource name. */
export const nameOf = (row: unknown): string => (row as { name?: string }).name ?? "";

/** The first page, kept fresh, and those after it that were asked for; there is no hole between them, however much becomes new. */
export function useParts<T>(
  load: (token: string, signal: AbortSignal) => Promise<Part<T>>,
  keys: readonly unknown[],
  kinds: readonly Kind[],
  id: (row: T) => string = nameOf,
): Loaded<Part<T>> & { rows: readonly T[]; more: (() => void) | undefined } {
  const [asking, setAsking] = useState(false);
  const of = JSON.stringify(keys);
  const later = useRef(""); // the keys for which more than the first page was asked for
  const shown = useRef<Part<T>>({ rows: [], next: "" });
  const list = useLoaded(
    async (signal) => {
      const fresh = await load("", signal);
      return later.current === of ? joined(fresh, shown.current, (token) => load(token, signal), id) : fresh;
    },
    keys,
    kinds,
  );
  shown.current = list.data ?? { rows: [], next: "" };
  const { next } = shown.current;
  const more = useCallback(() => {
    if (asking) return;
    setAsking(true);
    load(next, new AbortController().signal)
      .then((part) => {
        later.current = of;
        list.put((was) => (was.next === next ? { rows: unique([...was.rows, ...part.rows], id), next: part.next } : was));
      })
      .catch(() => list.again())
      .finally(() => setAsking(false));
  }, [asking, next, of]);
  return { ...list, rows: shown.current.rows, more: next ? more : undefined };
}
