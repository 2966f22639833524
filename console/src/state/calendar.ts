/** A calendar in a time zone: its days are as long as its clocks make them, 23 and 25 hours included. Pure: nothing here asks for anything. */

const _HOUR = 3_600_000;
const _DAY = 24 * _HOUR;
const _WEEK = 7 * _DAY;
const _LOCAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
const _formats = new Map<string, Intl.DateTimeFormat>();

/** What the clocks of a zone show at an instant, in milliseconds as if they showed UTC. */
export function wallOf(instant: number, zone: string): number {
  const options: Intl.DateTimeFormatOptions = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23", timeZone: zone };
  const format = _formats.get(zone) ?? new Intl.DateTimeFormat("en-US", options);
  _formats.set(zone, format);
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(instant)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((instant % 1000) + 1000) % 1000);
}

/** The first instant at which the clocks of a zone show `wall`; where they leave it out, the first one after the gap. */
export function instantOf(wall: number, zone: string): number {
  const guesses = [wall - _DAY, wall + _DAY].map((near) => wall - (wallOf(near, zone) - near));
  const exact = guesses.filter((instant) => wallOf(instant, zone) === wall);
  if (exact.length > 0) return Math.min(...exact);
  let [before, after] = [Math.min(...guesses), Math.max(...guesses)];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (wallOf(middle, zone) < wall) before = middle;
    else after = middle;
  }
  return after;
}

/** A day: from its first instant to that of the next one. */
export interface Day {
  start: number;
  end: number;
  /** Its midnight as the clocks show it, as if they showed UTC: says its date. */
  wall: number;
  /** By how much the clocks make it longer than 24 hours, in milliseconds; negative: shorter. */
  longer: number;
}

/** Seven days that begin with a Monday. */
export type Week = readonly Day[];

/** Midnight of the Monday at or before `wall`. */
export function mondayOf(wall: number): number {
  const day = Math.floor(wall / _DAY);
  return (day - ((day + 3) % 7 + 7) % 7) * _DAY;
}

/** Weeks from the Monday `monday` on. */
export function weeksFrom(monday: number, count: number, zone: string): Week[] {
  const starts = Array.from({ length: count * 7 + 1 }, (_, index) => instantOf(monday + index * _DAY, zone));
  return Array.from({ length: count }, (_, week) =>
    Array.from({ length: 7 }, (_, day) => {
      const index = week * 7 + day;
      const [start, end] = [starts[index] as number, starts[index + 1] as number];
      return { start, end, wall: monday + index * _DAY, longer: end - start - _DAY };
    }),
  );
}

/** How a calendar is cut: two weeks, or the weeks in which a month lies. */
export type View = "weeks" | "month";

/** The weeks that a view shows around the date `wall`. */
export function weeksOf(view: View, wall: number, zone: string): Week[] {
  if (view === "weeks") return weeksFrom(mondayOf(wall), 2, zone);
  const date = new Date(wall);
  const [first, next] = [0, 1].map((by) => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + by, 1)) as [number, number];
  const monday = mondayOf(first);
  return weeksFrom(monday, Math.ceil((next - monday) / _WEEK), zone);
}

/** The date that a view shows after, or before, the one of `wall`. */
export function turned(view: View, wall: number, by: 1 | -1): number {
  if (view === "weeks") return wall + by * 2 * _WEEK;
  const date = new Date(wall);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + by, 1);
}

/** Where an instant lies in a week, 0 to 1: each day is as wide as any other, however long it is. */
export function placeIn(week: Week, instant: number): number {
  const index = week.findIndex((day) => instant < day.end);
  if (index < 0) return 1;
  const day = week[index] as Day;
  return (index + Math.max(0, instant - day.start) / (day.end - day.start)) / week.length;
}

/** The instant at a place of a week, to the next whole `step` of its day. */
export function instantAt(week: Week, place: number, step = _HOUR): number {
  const at = Math.min(Math.max(place, 0), 1) * week.length;
  const day = week[Math.min(week.length - 1, Math.floor(at))] as Day;
  const within = (at - week.indexOf(day)) * (day.end - day.start);
  return Math.min(day.end, day.start + Math.round(within / step) * step);
}

/** A stretch of time. */
export interface Span {
  start: number;
  end: number;
}

/** What of a stretch is seen in a week. */
export interface Piece<T extends Span> {
  of: T;
  /** Where it begins, 0 to 1. */
  from: number;
  /** How wide it is, 0 to 1. */
  width: number;
  /** Whether it begins, and ends, in this week. */
  begins: boolean;
  ends: boolean;
}

/** The pieces of stretches that are seen in a week. */
export function piecesOf<T extends Span>(week: Week, spans: readonly T[]): Piece<T>[] {
  const [start, end] = [(week[0] as Day).start, (week.at(-1) as Day).end];
  return spans
    .filter((span) => span.end > start && span.start < end && span.end > span.start)
    .map((span) => {
      const [from, to] = [placeIn(week, Math.max(span.start, start)), span.end >= end ? 1 : placeIn(week, span.end)];
      return { of: span, from, width: to - from, begins: span.start >= start, ends: span.end <= end };
    });
}

/** Stretches that touch, made one; in order. */
export function joined(spans: readonly Span[]): Span[] {
  const found: Span[] = [];
  for (const span of [...spans].sort((one, other) => one.start - other.start)) {
    const last = found.at(-1);
    if (last && span.start <= last.end) found[found.length - 1] = { start: last.start, end: Math.max(last.end, span.end) };
    else found.push({ start: span.start, end: span.end });
  }
  return found;
}

/** Where stretches overlap. */
export function overlapsOf(spans: readonly Span[]): Span[] {
  const found: Span[] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const span of [...spans].sort((one, other) => one.start - other.start)) {
    if (span.start < end) found.push({ start: span.start, end: Math.min(end, span.end) });
    end = Math.max(end, span.end);
  }
  return joined(found);
}

/** An instant as `datetime-local` takes it, in a zone. */
export function localText(instant: number, zone: string): string {
  return new Date(wallOf(instant, zone)).toISOString().slice(0, 16);
}

/** The instant that a `datetime-local` means in a zone; NaN: none. */
export function instantOfText(text: string, zone: string): number {
  if (!_LOCAL.test(text)) return Number.NaN;
  return instantOf(Date.parse(`${text.slice(0, 16)}:00Z`), zone);
}

/** The next instant after `instant` at which the clocks of a zone show `time`, in milliseconds since midnight. */
export function nextTime(time: number, instant: number, zone: string): number {
  const wall = wallOf(instant, zone);
  const today = Math.floor(wall / _DAY) * _DAY + time;
  return instantOf(today > wall ? today : today + _DAY, zone);
}
