/** Whom messages can be for: people, groups and rotations, with their names. */

import { signal } from "./signals";
import { useEffect } from "preact/hooks";
import { api, idOf } from "../api/client";
import { ApiError } from "../api/problem";
import { may } from "./session";

/** Somebody, or several, by resource name and by the name for people. */
export interface Entry {
  name: string;
  label: string;
}

const _entries = signal<ReadonlyMap<string, string>>(new Map());
const _missing = new Set<string>();

const _kind = (name: string) => name.slice(0, name.indexOf("/"));

/** Reads the directory anew while a page that uses it is open. */
export function useDirectory(): void {
  useEffect(() => void _read(), []);
}

/** Everybody in the directory of a kind, such as "recipients", by name. */
export function entries(...kinds: readonly string[]): Entry[] {
  return [..._entries.value]
    .filter(([name]) => kinds.some((kind) => name.startsWith(`${kind}/`)))
    .map(([name, label]) => ({ name, label }))
    .sort((one, other) => one.label.localeCompare(other.label));
}

/** The name for people of "recipients/…", "groups/…" or "rotations/…"; its id until it is known, and for ever if it is gone. */
export function called(name: string | undefined): string {
  if (!name) return "";
  return _entries.value.get(name) || idOf(name);
}

/** Adds somebody who was just made. */
export function noted(name: string | undefined, label: string | undefined): void {
  if (name) _entries.value = new Map(_entries.value).set(name, label || idOf(name));
}

const _ONE: Record<string, (id: string) => Promise<{ displayName?: string }>> = {
  recipients: (recipient) => api.GET("/v1/recipients/{recipient}", { params: { path: { recipient } } }),
  groups: (group) => api.GET("/v1/groups/{group}", { params: { path: { group } } }),
  rotations: (rotation) => api.GET("/v1/rotations/{rotation}", { params: { path: { rotation } } }),
};

/** Reads those of `names` that are not known: the pages of the directory had no room for them, or were not asked for. */
export async function lookUp(names: Iterable<string>): Promise<void> {
  const wanted = [...new Set(names)].filter((name) => _kind(name) in _ONE && !_entries.value.has(name) && !_missing.has(name)).slice(0, 50);
  for (const name of wanted) {
    _missing.add(name);
    await _taken(async () => {
      const found = await _ONE[_kind(name)]?.(idOf(name));
      return [[name, found?.displayName ?? ""]];
    });
  }
}

async function _read(): Promise<void> {
  if (!may("recipients:read")) return;
  const query = { params: { query: { pageSize: 1000 } } };
  await Promise.all([
    _taken(async () => (await api.GET("/v1/recipients", query)).recipients.map((item) => [item.name ?? "", item.displayName ?? ""])),
    _taken(async () => (await api.GET("/v1/groups", query)).groups.map((item) => [item.name ?? "", item.displayName ?? ""])),
    _taken(async () => (await api.GET("/v1/rotations", query)).rotations.map((item) => [item.name ?? "", item.displayName ?? ""])),
  ]);
}

/** Takes what `read` gives into the directory; where it fails the ids stand in its place. */
async function _taken(read: () => Promise<[string, string][]>): Promise<void> {
  try {
    const found = await read();
    const next = new Map(_entries.value);
    for (const [name, label] of found) next.set(name, label || idOf(name));
    _entries.value = next;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}
