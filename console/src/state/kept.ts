/** What is typed is kept in this tab until it is saved, so that nothing is lost: neither by a reload nor when the session ends. */

import { useRef, useState } from "preact/hooks";

/** A value that a form holds, kept under `id`; `forget` once it is saved. `null` is never kept. */
export function useKept<T>(id: string, first: T): [T, (next: T) => void, () => void] {
  const key = `tocsin.draft.${id}`;
  const [value, setValue] = useState<T>(() => _read<T>(key) ?? first);
  const keep = (next: T) => {
    setValue(next);
    _write(key, next);
  };
  return [value, keep, () => sessionStorage.removeItem(key)];
}

/** A draft of several fields, kept likewise: `change` gives some of them anew, also twice before it is drawn again; `forget` begins anew. */
export function useKeptParts<T extends object>(id: string, first: T): [T, (change: Partial<T>) => void, () => void] {
  const [value, keep, drop] = useKept<T>(id, first);
  const latest = useRef<T>({ ...first, ...value });
  const put = (next: T) => {
    latest.current = next;
    keep(next);
  };
  const forget = () => {
    put(first);
    drop();
  };
  return [latest.current, (change) => put({ ...latest.current, ...change }), forget];
}

function _read<T>(key: string): T | null {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null") as T | null;
  } catch {
    return null; // of an older version of this page
  }
}

function _write(key: string, value: unknown): void {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    sessionStorage.removeItem(key); // more than a tab may keep: it stays on the screen, and does not outlive a reload
  }
}
