/** Silences: what they match, as lines of text, and how they stand. */

import type { Schemas } from "../api/client";
import type { Tone } from "../parts/mark";
import type { Incident } from "./alarms";

export type Silence = Schemas["scheduler.v1.Silence"];
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

/** How a silence stands. */
export function silenceTone(silence: Silence): Tone {
  return silence.state === "ACTIVE" ? "busy" : "idle";
}
