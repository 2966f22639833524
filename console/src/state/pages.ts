/** A list that is loaded page by page. */

import { useCallback, useState } from "preact/hooks";
import type { Kind } from "../api/live";
import { useLoaded, type Loaded } from "./loaded";

/** One page of a list, as the API gives it. */
export interface Part<T> {
  rows: readonly T[];
  next: string;
}

/** The first page, kept fresh, and those after it that were asked for. */
export function useParts<T>(
  load: (token: string, signal: AbortSignal) => Promise<Part<T>>,
  keys: readonly unknown[],
  kinds: readonly Kind[],
  id: (row: T) => string,
): Loaded<Part<T>> & { rows: readonly T[]; more: (() => void) | undefined } {
  const [later, setLater] = useState<{ of: unknown; parts: readonly Part<T>[] }>({ of: null, parts: [] });
  const [asking, setAsking] = useState(false);
  const first = useLoaded((signal) => load("", signal), keys, kinds);
  const of = JSON.stringify(keys);
  const parts = later.of === of ? later.parts : [];
  const next = (parts.at(-1) ?? first.data)?.next ?? "";
  const more = useCallback(() => {
    if (asking) return;
    setAsking(true);
    load(next, new AbortController().signal)
      .then((part) => setLater({ of, parts: [...parts, part] }))
      .catch(() => first.again())
      .finally(() => setAsking(false));
  }, [asking, next, of, parts]);
  const known = new Set<string>();
  const rows = [first.data, ...parts].flatMap((part) => part?.rows ?? []).filter((row) => !known.has(id(row)) && known.add(id(row)));
  return { ...first, rows, more: next ? more : undefined };
}
