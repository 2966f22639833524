/** Recipients and groups: what they are called, how their addresses stand, and what they want. */

import type { Schemas } from "../api/client";
import type { Tone } from "../parts/mark";

export type Recipient = Schemas["mailer.v1.Recipient"];
export type Address = Schemas["mailer.v1.Address"];
export type Group = Schemas["mailer.v1.Group"];
export type Suppression = Schemas["mailer.v1.Suppression"];
export type Preferences = Schemas["mailer.v1.Preferences"];
type QuietTime = Schemas["mailer.v1.Preferences.QuietTime"];
type Channel = NonNullable<Schemas["scheduler.v1.Notify"]["channels"]>[number];

const _CHANNELS: Record<Channel, true> = {
  email: true,
  push: true,
  sms: true,
  webhook: true,
  slack: true,
  telegram: true,
  discord: true,
  ntfy: true,
  gotify: true,
  pagerduty: true,
  apprise: true,
  inbox: true,
};
/** The channels of the contract; the compiler says when one is missing here. */
export const CHANNELS = Object.keys(_CHANNELS);

/** The name of a recipient or group for people. */
export function personName(person: { name?: string; displayName?: string }): string {
  return person.displayName || (person.name ?? "").replace(/^[a-z]+\//, "");
}

/** How an address stands; a suppressed one gets nothing, whatever its state. */
export function addressTone(address: Address, suppressed = false): Tone {
  if (suppressed || address.state === "RETIRED") return "bad";
  return address.state === "PENDING" ? "warn" : "good";
}

/** A text in an AIP-160 expression. */
export function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&")}"`;
}

const _EXPRESSION = /^\s*(display_name|address|channel|group)\s*=/;

/** The filter that somebody means by what they type: an expression, a group, an address, or the beginning of a name. */
export function recipientFilter(text: string): string {
  if (text === "" || _EXPRESSION.test(text)) return text;
  if (text.startsWith("groups/")) return `group=${quoted(text)}`;
  return text.includes("@") || /^\+[0-9 ]+$/.test(text) ? `address=${quoted(text)}` : `display_name=${quoted(`${text}*`)}`;
}

/** Quiet times that begin and end alike, on several days. */
export interface QuietRow {
  /** 1 (Monday) to 7 (Sunday). */
  days: number[];
  start: string;
  end: string;
}

/** The quiet times of a week, those that are alike together. */
export function quietRows(times: readonly QuietTime[]): QuietRow[] {
  const found = new Map<string, QuietRow>();
  for (const { weekday, start, end } of times) {
    const row = found.get(`${start} ${end}`) ?? { days: [], start, end };
    row.days = [...new Set([...row.days, weekday ?? 1])].sort();
    found.set(`${start} ${end}`, row);
  }
  return [...found.values()];
}

/** The quiet times that rows stand for. */
export function quietTimes(rows: readonly QuietRow[]): QuietTime[] {
  return rows.flatMap(({ days, start, end }) => days.map((weekday) => ({ weekday, start, end })));
}

/** Days in a few characters: "Mon–Fri", "Sat Sun". `names` are those of Monday to Sunday. */
export function daysInWords(days: readonly number[], names: readonly string[]): string {
  const runs: number[][] = [];
  for (const day of [...days].sort()) {
    const last = runs.at(-1);
    if (last && last.at(-1) === day - 1) last.push(day);
    else runs.push([day]);
  }
  const name = (day: number | undefined) => names[(day ?? 1) - 1] ?? "";
  return runs.map((run) => (run.length > 2 ? `${name(run[0])}–${name(run.at(-1))}` : run.map(name).join(" "))).join(" ");
}
