/** The ledger bar: the last occurrences of an alarm, the oldest first, by how each ended and how late it was. */

import { firingTone, firingWord, lateness, type Firing } from "../state/alarms";
import { words } from "../words";
import { AsTable } from "./bars";
import { absolute } from "./when";
import { lasting } from "../state/lasting";

/** What one bar says. */
function _says(firing: Firing): string {
  const late = lateness(firing);
  return [absolute(firing.dueTime ?? ""), firingWord(firing), late === undefined ? (firing.reason ?? "") : words().late(lasting(late))].filter(Boolean).join(" · ");
}

export function LedgerBar({ firings }: { firings: readonly Firing[] }) {
  const shown = firings.slice(0, 60).reverse();
  const counts = new Map<string, number>();
  for (const firing of shown) counts.set(firingWord(firing), (counts.get(firingWord(firing)) ?? 0) + 1);
  const summary = [...counts].map(([word, count]) => `${count} ${word}`).join(", ");
  return (
    <figure class="ledger">
      <div class="bars" role="img" aria-label={summary}>
        {shown.map((firing) => (
          <a key={firing.name} class={firingTone(firing)} href={`/console/${firing.name}`} title={_says(firing)} aria-label={_says(firing)}>
            <i style={{ height: `${_height(firing)}%` }} />
          </a>
        ))}
      </div>
      <figcaption class="dim">{summary}</figcaption>
      <AsTable>
        {[...shown].reverse().map((firing) => (
          <tr key={firing.name}>
            <th scope="row">{absolute(firing.dueTime ?? "")}</th>
            <td>{firingWord(firing)}</td>
            <td class="number">{lateness(firing) === undefined ? "–" : lasting(lateness(firing) as number)}</td>
          </tr>
        ))}
      </AsTable>
    </figure>
  );
}

/** The height of a bar: 30 % on time, 100 % at ten seconds late, by the logarithm in between. */
function _height(firing: Firing): number {
  const late = lateness(firing);
  if (late === undefined) return 30;
  return 30 + 70 * Math.min(1, Math.max(0, Math.log10(Math.max(1, late / 10)) / 3));
}
