/** Finds who is to come into a group: people by the beginning of their name or an address, groups and rotations by their id. */

import { useEffect, useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { ApiError } from "../api/problem";
import { act } from "../state/act";
import { personName, recipientFilter } from "../state/people";
import { may } from "../state/session";
import { words } from "../words";
import { Button } from "./basics";

interface Found {
  name: string;
  shown: string;
}

const _SETTLE_MS = 250;
const _MOST = 8;

async function _find(text: string, signal: AbortSignal): Promise<Found[]> {
  const filter = recipientFilter(text);
  const [people, groups, rotations] = await Promise.all([
    api.GET("/v1/recipients", { params: { query: { pageSize: _MOST, filter } }, signal }),
    api.GET("/v1/groups", { params: { query: { pageSize: 1000 } }, signal }),
    may("rotations:read") ? api.GET("/v1/rotations", { params: { query: { pageSize: 1000 } }, signal }) : { rotations: [] },
  ]);
  const has = (item: { name?: string; displayName?: string }) => `${idOf(item.name)} ${item.displayName ?? ""}`.toLowerCase().includes(text.toLowerCase());
  const found = [...people.recipients, ...groups.groups.filter(has), ...rotations.rotations.filter(has)];
  return found.map((item) => ({ name: item.name ?? "", shown: personName(item) }));
}

export function MemberPicker({ put, not }: { put: (name: string) => Promise<void>; not: readonly string[] }) {
  const [text, setText] = useState("");
  const [found, setFound] = useState<readonly Found[] | ApiError | null>(null);
  useEffect(() => {
    if (text.trim() === "") return setFound(null);
    const stop = new AbortController();
    const timer = window.setTimeout(() => {
      _find(text.trim(), stop.signal).then(setFound, (error: unknown) => error instanceof ApiError && setFound(error));
    }, _SETTLE_MS);
    return () => {
      window.clearTimeout(timer);
      stop.abort();
    };
  }, [text]);
  const offered = Array.isArray(found) ? found.filter((item: Found) => !not.includes(item.name)).slice(0, _MOST) : [];
  const add = (item: Found) =>
    act(async () => {
      await put(item.name);
      setText("");
    }, words().person.putIn(item.shown));
  return (
    <div class="section">
      <label class="field">
        {words().person.addMember}
        <input type="search" value={text} placeholder={words().person.findMember} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <div aria-live="polite">
        {found instanceof ApiError && <p class="wrong">{words().failed(found)}</p>}
        {Array.isArray(found) && offered.length === 0 && <p class="dim">{words().nothingFound}</p>}
        <ul class="plain">
          {offered.map((item: Found) => (
            <li key={item.name}>
              <span class="dim kind">{words().person.kinds[item.name.split("/")[0] ?? ""]}</span>
              <span class="grow" dir="auto">
                {item.shown} <span class="dim">{idOf(item.name)}</span>
              </span>
              <Button onPress={() => add(item)}>{words().person.put}</Button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
