/** A row of bars that answers "how many, when", with its numbers as a table. */

import { useState } from "preact/hooks";
import { words } from "../words";

export interface Bar {
  name: string;
  title: string;
  value: number;
}

export function Bars({ label, values, unit }: { label: string; values: readonly Bar[]; unit: string }) {
  const [table, setTable] = useState(false);
  const most = Math.max(1, ...values.map((bar) => bar.value));
  return (
    <figure class="chart">
      <div class="columns" role="img" aria-label={`${label}: ${values.map((bar) => `${bar.name} ${bar.value}`).join(", ")}`}>
        {values.map((bar, index) => (
          <span key={bar.name + index} title={`${bar.title}: ${bar.value} ${unit}`}>
            <i class={bar.value > 0 ? "some" : "none"} style={{ height: `${bar.value > 0 ? Math.max(4, (100 * bar.value) / most) : 2}%` }} />
            {index % 4 === 0 && <small>{bar.name}</small>}
          </span>
        ))}
      </div>
      <figcaption>
        <button type="button" class="quiet" aria-expanded={table} onClick={() => setTable(!table)}>
          {words().asTable}
        </button>
      </figcaption>
      {table && (
        <table>
          <tbody>
            {values.map((bar, index) => (
              <tr key={bar.name + index}>
                <th scope="row">{bar.title}</th>
                <td class="number">
                  {bar.value} {unit}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </figure>
  );
}
