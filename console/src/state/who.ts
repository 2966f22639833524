/** What people, service accounts and keys are called: most of the API knows only resource names such as "users/01J…". */

import { signal } from "./signals";
import { api, idOf } from "../api/client";
import { ApiError } from "../api/problem";

const _names = signal<ReadonlyMap<string, string>>(new Map());
const _asked = new Set<string>();
const _KNOWN = /^(users|serviceAccounts|apiKeys)\/[0-9A-Za-z]{1,64}$/;
const _AT_ONCE = 100;
let _waiting: string[] = [];

/** The name for people behind a resource name; its id until that is known, and for ever if it is gone. All that a page shows are asked for at once. */
export function who(name: string | undefined): string {
  if (!name) return "";
  if (!_KNOWN.test(name)) return idOf(name);
  if (!_asked.has(name)) {
    _asked.add(name);
    if (_waiting.push(name) === 1) queueMicrotask(() => void _ask());
  }
  return _names.value.get(name) ?? idOf(name);
}

/** Forgets the name, which may have changed. */
export function renamed(name: string | undefined): void {
  if (name) _asked.delete(name);
}

async function _ask(): Promise<void> {
  const wanted = _waiting;
  _waiting = [];
  for (let first = 0; first < wanted.length; first += _AT_ONCE) {
    const names = wanted.slice(first, first + _AT_ONCE);
    try {
      const found = await api.GET("/v1/names:batchGet", { params: { query: { names } } });
      _names.value = new Map([..._names.value, ...(found.names ?? []).map((item) => [item.name ?? "", item.displayName ?? ""] as const)]);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the ids stand there instead
      if (error.passes) names.forEach((name) => _asked.delete(name));
    }
  }
}
