/** A row of bars that answers "how many, when" or "how many, how late", with its numbers as a table. */

import type { ComponentChildren } from "preact";
import type { Tone } from "./mark";
import { words } from "../words";

export interface Bar {
  /** What stands below the bar. */
  name: string;
  title: string;
  value: number;
  /** A state, where the bar is one. */
  tone?: Tone;
}

/** `every`: of how many bars one has its name below. */
export function Bars({ label, values, unit, every = 1 }: { label: string; values: readonly Bar[]; unit: string; every?: number }) {
  const most = Math.max(1, ...values.map((bar) => bar.value));
  return (
    <figure class="chart">
      <div class="columns" role="img" aria-label={`${label}: ${values.map((bar) => `${bar.title} ${bar.value}`).join(", ")}`}>
        {values.map((bar, index) => (
          <span key={bar.name + index} title={`${bar.title}: ${bar.value} ${unit}`}>
            <i class={bar.value === 0 ? "none" : (bar.tone ?? "some")} style={{ height: `${bar.value > 0 ? Math.max(4, (100 * bar.value) / most) : 2}%` }} />
            {index % every === 0 && <small>{bar.name}</small>}
          </span>
        ))}
      </div>
      <AsTable>
        {values.map((bar, index) => (
          <tr key={bar.name + index}>
            <th scope="row">{bar.title}</th>
            <td class="number">
              {bar.value} {unit}
            </td>
          </tr>
        ))}
      </AsTable>
    </figure>
  );
}

/** The numbers of a chart, for who wants to read them. */
export function AsTable({ children }: { children: ComponentChildren }) {
  return (
    <details class="numbers">
      <summary>{words().asTable}</summary>
      <table>
        <tbody>{children}</tbody>
      </table>
    </details>
  );
}
