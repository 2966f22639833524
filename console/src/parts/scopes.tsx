/** Picks scopes: a row for each area, a box for each right. */

import { areasOf, toggled } from "../state/scopes";
import { words } from "../words";

export function ScopePicker({ all, chosen, change, label }: { all: readonly string[]; chosen: readonly string[]; change: (scopes: string[]) => void; label: string }) {
  const areas = areasOf(all);
  return (
    <fieldset class="field">
      <legend>{label}</legend>
      <div class="actions">
        <button type="button" class="chip" onClick={() => change(all.filter((scope) => scope.endsWith(":read")))}>
          {words().access.readOnly}
        </button>
        <button type="button" class="chip" onClick={() => change([...all])}>
          {words().access.everything}
        </button>
        <button type="button" class="chip" onClick={() => change([])}>
          {words().access.nothing}
        </button>
      </div>
      <div class="scopes">
        {areas.map(({ area, rights }) => (
          <div key={area} role="group" aria-label={words().access.areas[area] ?? area}>
            <span>{words().access.areas[area] ?? area}</span>
            {rights.map((right) => (
              <label key={right} class="tick">
                <input type="checkbox" checked={chosen.includes(`${area}:${right}`)} onChange={() => change(toggled(chosen, `${area}:${right}`, all))} />
                {words().access.rights[right] ?? right}
              </label>
            ))}
          </div>
        ))}
      </div>
    </fieldset>
  );
}
