/** Silences: what they match, as lines of text, and how they stand. */

import type { Schemas } from "../api/client";
import type { Tone } from "../parts/mark";
import type { Incident } from "./alarms";
import { unitsOf, type Hours } from "./hours";

export type Silence = Schemas["scheduler.v1.Silence"];
type Window = Schemas["scheduler.v1.Window"];
export type Matcher = Schemas["scheduler.v1.SilenceMatcher"];

/** The conditions of a text, one a line, as `tocsin silence add --match` takes them; undefined: one of the lines is none. */
export function matchersOf(text: string): Matcher[] | undefined {
  const found = text
    .split("\n")
    .filter((line) => line.trim())
    .map((line) => {
      const at = line.indexOf("=");
      const negate = line[at - 1] === "!";
      return { label: line.slice(0, Math.max(0, negate ? at - 1 : at)).trim(), value: line.slice(at + 1).trim(), negate };
    });
  return found.every((matcher) => matcher.label) ? found : undefined;
}

/** Conditions as the lines that mean them. What a line cannot hold of a value is a `*` there. */
export function linesOf(matchers: readonly Matcher[]): string {
  return matchers.map(({ label, value = "", negate }) => `${label}${negate ? "!" : ""}=${value.replace(/^\s+|\s+$|[\r\n]+/g, "*")}`).join("\n");
}

/** Lines that match an incident and what is like it: its labels; one that has none, by its key alone. */
export function likeOf(incident: Incident): string {
  const labels = Object.entries(incident.labels ?? {});
  return linesOf((labels.length > 0 ? labels : [["dedupKey", incident.dedupKey ?? ""] as const]).map(([label, value]) => ({ label, value })));
}

const _DAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/** Windows at the same hours of some days, every week; no day is each. */
export function windowOf({ days, start, end }: Hours, timeZone: string): Window {
  const [hour, minute] = start.split(":").map(Number);
  return { cron: `${minute} ${hour} * * ${days.length ? days.map((day) => _DAYS[day - 1]).join(",") : "*"}`, end, timeZone };
}

/** A window as its rule says it, with its length and zone. */
export function windowText({ cron, rrule, onCalendar, end, duration, timeZone }: Window): string {
  return [cron ?? onCalendar ?? rrule, end ? `→ ${end}` : duration ? `+ ${unitsOf(duration).join(" ")}` : "", timeZone].filter(Boolean).join(" · ");
}

/** How a silence stands. */
export function silenceTone(silence: Silence): Tone {
  return silence.state === "ACTIVE" ? "busy" : "idle";
}
