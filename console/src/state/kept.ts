/** What is typed is kept in this tab until it is saved, so that nothing is lost: neither by a reload nor when the session ends. Secrets are not. */

import { useRef, useState } from "preact/hooks";

const _KEY = "tocsin.draft.";

/** A value that a form holds, kept under `id`; `forget` once it is saved. `null` is never kept. */
export function useKept<T>(id: string, first: T): [T, (next: T) => void, () => void] {
  const [value, setValue] = useState<T>(() => _read<T>(id) ?? first);
  const keep = (next: T) => {
    setValue(next);
    _write(id, next);
  };
  return [value, keep, () => _write(id, null)];
}

/** A draft of several fields, kept likewise: `change` gives some of them anew, also twice before it is drawn again (`secret`: without keeping
 * them); `forget` begins anew, or leaves what is on the screen there.
 */
export function useKeptParts<T extends object>(id: string, first: T): [T, (change: Partial<T>, secret?: boolean) => void, (anew?: boolean) => void] {
  const [, setValue] = useState<T>(first);
  const latest = useRef<T | null>(null);
  const secrets = useRef(new Set<string>());
  const value = (latest.current ??= _over(first, _read<unknown>(id)));
  const put = (next: T) => setValue((latest.current = next));
  const change = (part: Partial<T>, secret = false) => {
    if (secret) Object.keys(part).forEach((name) => secrets.current.add(name));
    const next = { ...(latest.current as T), ...part };
    put(next);
    _write(id, Object.fromEntries(Object.entries(next).filter(([name]) => !secrets.current.has(name))));
  };
  const forget = (anew = true) => {
    if (anew) put(first);
    _write(id, null);
  };
  return [value, change, forget];
}

function _over<T extends object>(first: T, kept: unknown): T {
  return kept && typeof kept === "object" ? { ...first, ...(kept as Partial<T>) } : first;
}

/** What is kept under `id`; null: nothing, or nothing that this version of the page can read. */
function _read<T>(id: string): T | null {
  try {
    return JSON.parse(sessionStorage.getItem(_KEY + id) ?? "null") as T | null;
  } catch {
    return null;
  }
}

function _write(id: string, value: unknown): void {
  try {
    if (value === null) sessionStorage.removeItem(_KEY + id);
    else sessionStorage.setItem(_KEY + id, JSON.stringify(value));
  } catch {
    sessionStorage.removeItem(_KEY + id); // more than a tab may keep: it stays on the screen, and does not outlive a reload
  }
}
