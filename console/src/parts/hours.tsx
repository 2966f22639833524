/** Fields for hours of the week and for durations. */

import { useState } from "preact/hooks";
import { durationOf, hoursText, unitsOf, type Hours, type Unit } from "../state/hours";
import { language, words } from "../words";
import { Field, type Bound } from "./fields";

/** The short name of a weekday; 1 is Monday. */
export function weekday(day: number): string {
  return new Intl.DateTimeFormat(language.value, { weekday: "short", timeZone: "UTC" }).format(Date.UTC(2024, 0, day)); // 1 January 2024 was a Monday
}

/** Hours of the week in words. */
export function hoursInWords(hours: readonly Hours[]): string {
  return hoursText(hours, weekday);
}

/** Hours of the week, at most so many entries; none: always. Three texts say what they are, what none is, and how to add some. */
export function HoursField({
  value,
  change,
  error,
  most = Infinity,
  name = words().fields.hours,
  none = words().fields.always,
  add = words().fields.addHours,
}: Bound<Hours[]> & { most?: number; name?: string; none?: string; add?: string }) {
  const put = (index: number, part: Partial<Hours>) => change(value.map((item, other) => (other === index ? { ...item, ...part } : item)));
  return (
    <fieldset class="field">
      <legend>{name}</legend>
      {value.length === 0 && <small class="dim">{none}</small>}
      {value.map((hours, index) => (
        <div class="hours" key={index}>
          <div class="choice">
            {[1, 2, 3, 4, 5, 6, 7].map((day) => (
              <label key={day}>
                <input
                  type="checkbox"
                  checked={hours.days.includes(day)}
                  onChange={(event) => put(index, { days: event.currentTarget.checked ? [...hours.days, day].sort() : hours.days.filter((item) => item !== day) })}
                />
                {weekday(day)}
              </label>
            ))}
          </div>
          <div class="actions">
            <input type="time" class="narrow" required aria-label={words().duty.from} value={hours.start} onInput={(event) => put(index, { start: event.currentTarget.value })} />
            <input type="time" class="narrow" required aria-label={words().duty.to} value={hours.end} onInput={(event) => put(index, { end: event.currentTarget.value })} />
            <button type="button" class="quiet" aria-label={words().fields.without(hoursInWords([hours]))} onClick={() => change(value.filter((_, other) => other !== index))}>
              ×
            </button>
          </div>
        </div>
      ))}
      {value.length < most && (
        <button type="button" class="quiet add" onClick={() => change([...value, { days: [1, 2, 3, 4, 5], start: "08:00", end: "18:00" }])}>
          + {add}
        </button>
      )}
      {error && <span class="wrong">{error}</span>}
    </fieldset>
  );
}

/** How long: a number and its unit. */
export function Duration({ label, value, change, error, optional = false }: Bound<string> & { label: string; optional?: boolean }) {
  const read = (given: string): [string, Unit, string] => (given ? [String(unitsOf(given)[0]), unitsOf(given)[1], given] : ["", "m", given]);
  const [typed, setTyped] = useState(() => read(value));
  const [text, unit] = typed[2] === value ? typed : read(value); // another value than was typed here is shown as it is
  const put = (next: string, of: Unit) => {
    const given = next === "" ? "" : durationOf(Number(next), of);
    setTyped([next, of, given]);
    change(given);
  };
  return (
    <Field label={label} error={error}>
      {(about) => (
        <span class="pair">
          <input type="number" min={0} step="any" required={!optional} {...about} value={text} onInput={(event) => put(event.currentTarget.value, unit)} />
          <select aria-label={words().fields.unit(label)} value={unit} onChange={(event) => put(text, event.currentTarget.value as Unit)}>
            {(["s", "m", "h", "d"] as const).map((name) => (
              <option key={name} value={name}>
                {words().fields.units[name]}
              </option>
            ))}
          </select>
        </span>
      )}
    </Field>
  );
}
