/** Who is on call: what follows from the schedules of rotations. */

import type { Schemas } from "../api/client";
import { joined, overlapsOf, type Span } from "./calendar";

export type Rotation = Schemas["mailer.v1.Rotation"];
export type Override = Schemas["mailer.v1.RotationOverride"];
export type Schedule = Schemas["mailer.v1.RotationSchedule"];
type Interval = Schemas["mailer.v1.DutyInterval"];

/** A stretch in which the same people are on call. */
export interface Duty extends Span {
  rotation: string;
  recipients: readonly string[];
  layer: string;
  overrides: readonly string[];
  labels: readonly string[];
}

/** Somebody's own stretch. */
export interface Shift extends Span {
  rotation: string;
}

/** What somebody has of a range of time. */
export interface Load {
  person: string;
  shifts: readonly Shift[];
  /** Milliseconds on call: in two rotations at once counts once. */
  length: number;
  /** Where they are on call in two rotations at once. */
  twice: readonly Span[];
}

/** The duties of a schedule, in order; neighbours with the same people and reasons are one. */
export function dutiesOf(schedule: Schedule): Duty[] {
  const found: Duty[] = [];
  for (const interval of schedule.intervals ?? []) {
    const next = _duty(schedule.rotation ?? "", interval);
    const last = found.at(-1);
    if (last && last.end === next.start && _same(last, next)) last.end = next.end;
    else found.push(next);
  }
  return found;
}

function _duty(rotation: string, interval: Interval): Duty {
  return {
    rotation,
    start: Date.parse(interval.startTime ?? ""),
    end: Date.parse(interval.endTime ?? ""),
    recipients: interval.recipients ?? [],
    layer: interval.layerDisplayName ?? "",
    overrides: interval.overrides ?? [],
    labels: interval.labels ?? [],
  };
}

function _same(one: Duty, other: Duty): boolean {
  const facts = ({ recipients, layer, overrides, labels }: Duty) => JSON.stringify([recipients, layer, overrides, labels]);
  return facts(one) === facts(other);
}

/** Whether nobody is on call although somebody should be. */
export function isGap(duty: Duty): boolean {
  return duty.labels.includes("GAP");
}

/** When nobody is on call although somebody should be, by rotation, the soonest first. */
export function gapsOf(all: readonly Schedule[]): Shift[] {
  const found = all.flatMap((schedule) => joined(dutiesOf(schedule).filter(isGap)).map((span) => ({ ...span, rotation: schedule.rotation ?? "" })));
  return found.sort((one, other) => one.start - other.start || one.rotation.localeCompare(other.rotation));
}

/** Who is on call at an instant, and who is next: the next stretch with other people. */
export function standingOf(schedule: Schedule, instant: number): { now: Duty | undefined; next: Duty | undefined; until: number | undefined } {
  const duties = dutiesOf(schedule);
  const index = duties.findIndex((duty) => duty.start <= instant && instant < duty.end);
  const now = duties[index];
  if (!now) return { now, next: duties.find((duty) => duty.start > instant), until: undefined };
  const who = JSON.stringify(now.recipients);
  const later = duties.slice(index + 1);
  const next = later.find((duty) => JSON.stringify(duty.recipients) !== who);
  return { now, next, until: (next ?? duties.at(-1))?.[next ? "start" : "end"] };
}

/** When the first stretch ends after an instant; infinite: none does. */
export function nextEnd(all: readonly Schedule[], instant: number): number {
  const ends = all.flatMap((schedule) => (schedule.intervals ?? []).map((interval) => Date.parse(interval.endTime ?? "")));
  return Math.min(...ends.filter((end) => end > instant), Infinity);
}

/** Everybody's shifts, whoever has the most of them first. */
export function loadsOf(all: readonly Schedule[]): Load[] {
  const shifts = new Map<string, Shift[]>();
  for (const schedule of all) {
    const people = new Map<string, Span[]>();
    for (const duty of dutiesOf(schedule)) for (const person of duty.recipients) people.set(person, [...(people.get(person) ?? []), duty]);
    for (const [person, spans] of people) {
      const own = joined(spans).map((span) => ({ ...span, rotation: schedule.rotation ?? "" }));
      shifts.set(person, [...(shifts.get(person) ?? []), ...own]);
    }
  }
  return [...shifts]
    .map(([person, own]) => ({
      person,
      shifts: own.sort((one, other) => one.start - other.start),
      length: joined(own).reduce((sum, span) => sum + span.end - span.start, 0),
      twice: overlapsOf(own),
    }))
    .sort((one, other) => other.length - one.length || one.person.localeCompare(other.person));
}
