/** The filter of a list: offered ones at a press, any other by its expression (AIP-160). It stands in the address, so that it can be sent.
 *
 * `meant` is the filter that a text stands for which is no expression, such as a name.
 */

import { useLocation } from "../state/location";
import { useEffect, useState } from "preact/hooks";
import { quoted } from "../state/people";
import { words } from "../words";

/** The filter that the address names. */
export function filterOf(query: Record<string, string>): string {
  return query["filter"] ?? "";
}

/** The filter of a list that is searched by a text: a word stands for that, an expression for itself. */
export function textFilter(text: string): string {
  return text === "" || text.includes("=") ? text : `text=${quoted(text)}`;
}

export function Filter({ offers, example, meant = (text) => text }: { offers: readonly [string, string][]; example: string; meant?: (text: string) => string }) {
  const { path, query, route } = useLocation();
  const now = filterOf(query);
  const [text, setText] = useState(now);
  useEffect(() => setText(now), [now]);
  const go = (filter: string) => route(filter ? `${path}?filter=${encodeURIComponent(filter)}` : path);
  return (
    <form
      class="filter"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        go(meant(text.trim()));
      }}
    >
      {offers.map(([name, filter]) => (
        <button key={name} type="button" class="chip" aria-pressed={now === filter} onClick={() => go(now === filter ? "" : filter)}>
          {name}
        </button>
      ))}
      <input type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} placeholder={example} aria-label={words().filter} />
    </form>
  );
}
