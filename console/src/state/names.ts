/** What alarms are called: a firing and a delivery know only the resource name. */

import { signal } from "./signals";
import { api, idOf } from "../api/client";
import { ApiError } from "../api/problem";
import { nameOf } from "./alarms";
import { may } from "./session";

const _names = signal<ReadonlyMap<string, string>>(new Map());
const _asked = new Set<string>();
const _MOST = 5000;
let _waiting: string[] = [];
let _asking = false;

/** The name of an alarm for people; its id until it is known, and for ever if it is gone. */
export function alarmName(name: string | undefined): string {
  if (!name) return "";
  const found = _names.value.get(name);
  if (found === undefined && !_asked.has(name) && _asked.size < _MOST && may("alarms:read")) {
    _asked.add(name);
    if (_waiting.push(name) === 1) queueMicrotask(() => _asking || void _ask());
  }
  return found ?? idOf(name);
}

/** Asks for all that wait, one batch after the other: a page of alarms knows most of them, the rest are asked for one by one. */
async function _ask(): Promise<void> {
  _asking = true;
  try {
    while (_waiting.length > 0) await _askBatch();
  } finally {
    _asking = false;
  }
}

async function _askBatch(): Promise<void> {
  const wanted = _waiting;
  _waiting = [];
  const next = new Map(_names.value);
  try {
    if (next.size === 0) {
      const { alarms } = await api.GET("/v1/alarms", { params: { query: { pageSize: 1000 } } });
      for (const alarm of alarms) next.set(alarm.name ?? "", nameOf(alarm));
    }
    for (const name of wanted.filter((item) => !next.has(item)).slice(0, 50)) {
      const alarm = await api.GET("/v1/alarms/{alarm}", { params: { path: { alarm: idOf(name) } } });
      next.set(name, nameOf(alarm));
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error; // the ids stand there instead
  }
  _names.value = next;
}
