/** Times: relative, with the absolute one in the chosen zone beside it for whoever points at it. */

import { now, zone } from "../state/clock";
import { language } from "../words";

const _STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];
const _formats = new Map<string, Intl.DateTimeFormat>();
const _relative = new Map<string, Intl.RelativeTimeFormat>();

function _format(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const id = `${language.value} ${zone.value} ${JSON.stringify(options)}`;
  const found = _formats.get(id) ?? new Intl.DateTimeFormat(language.value, { ...options, timeZone: zone.value });
  _formats.set(id, found);
  return found;
}

/** Date, time to the second and zone. */
export function absolute(instant: string | number): string {
  const format = { weekday: "short", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" };
  return _format(format as Intl.DateTimeFormatOptions).format(new Date(instant));
}

/** The time of day, to the second where `seconds`. */
export function timeOfDay(instant: string | number, seconds = false): string {
  return _format({ hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" as const } : {}), hourCycle: "h23" }).format(new Date(instant));
}

/** Day and time without the year and seconds, for what is near. */
export function brief(instant: string | number): string {
  return _format({ weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(instant));
}

/** "in 5 minutes", "2 hours ago": in the largest unit of which there are two. */
export function relative(instant: string | number): string {
  const away = new Date(instant).getTime() - now.value;
  const [unit, length] = _STEPS.find(([, size]) => Math.abs(away) >= 2 * size) ?? ["second", 1000];
  const found = _relative.get(language.value) ?? new Intl.RelativeTimeFormat(language.value, { numeric: "auto", style: "short" });
  _relative.set(language.value, found);
  return found.format(Math.trunc(away / length), unit);
}

/** A moment, as the page shows it; nothing where there is none. */
export function When({ at, full = false }: { at: string | undefined; full?: boolean }) {
  if (!at) return <span class="dim">–</span>;
  return (
    <time dateTime={at} title={full ? relative(at) : absolute(at)}>
      {full ? absolute(at) : relative(at)}
    </time>
  );
}
