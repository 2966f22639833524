/** Hours of the week: as the API has them, a window a day, and as people say them, the same hours of some days. */

/** The same hours of some days; 1 is Monday. */
export interface Hours {
  days: number[];
  start: string;
  end: string;
}

/** A window of one day. */
export interface Window {
  weekday?: number;
  start: string;
  end: string;
}

/** Windows of the same hours, together. */
export function grouped(windows: readonly Window[]): Hours[] {
  const found = new Map<string, Hours>();
  for (const { weekday = 1, start, end } of windows) {
    const hours = found.get(`${start} ${end}`) ?? { days: [], start, end };
    if (!hours.days.includes(weekday)) hours.days = [...hours.days, weekday].sort();
    found.set(`${start} ${end}`, hours);
  }
  return [...found.values()];
}

/** A window for each day. */
export function windowsOf(hours: readonly Hours[]): Window[] {
  return hours.flatMap(({ days, start, end }) => days.map((weekday) => ({ weekday, start, end })));
}

/** "Mon–Fri 08:00–18:00": days that follow one another are a range. */
export function hoursText(hours: readonly Hours[], dayName: (day: number) => string): string {
  return hours.map(({ days, start, end }) => `${_days(days, dayName)} ${start}–${end}`.trim()).join(", ");
}

function _days(days: readonly number[], dayName: (day: number) => string): string {
  if (days.length === 0 || days.length === 7) return "";
  const runs: number[][] = [];
  for (const day of [...days].sort()) {
    const run = runs.at(-1);
    if (run && run.at(-1) === day - 1) run.push(day);
    else runs.push([day]);
  }
  return runs.map((run) => (run.length > 2 ? `${dayName(run[0] as number)}–${dayName(run.at(-1) as number)}` : run.map(dayName).join(", "))).join(", ");
}

/** "90s" of the API in the largest whole unit: [90, "s"], [5, "m"], [2, "h"]. */
export function unitsOf(duration: string | undefined): [number, Unit] {
  const seconds = Number.parseFloat(duration ?? "0") || 0;
  const unit = (["d", "h", "m"] as const).find((name) => seconds > 0 && seconds % _SECONDS[name] === 0) ?? "s";
  return [seconds / _SECONDS[unit], unit];
}

/** A duration as the API takes it. */
export function durationOf(count: number, unit: Unit): string {
  return `${count * _SECONDS[unit]}s`;
}

export type Unit = "s" | "m" | "h" | "d";
const _SECONDS: Record<Unit, number> = { s: 1, m: 60, h: 3600, d: 86_400 };
