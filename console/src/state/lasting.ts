/** Spans of time for people. */

/** How long something took: "250 ms", "3.2 s", "4 min 10 s", "1 h". */
export function lasting(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(ms < 10_000 ? 1 : 0))} s`;
  if (ms < 3_600_000) return _two(Math.floor(ms / 60_000), "min", Math.round((ms % 60_000) / 1000), "s");
  return _two(Math.floor(ms / 3_600_000), "h", Math.round((ms % 3_600_000) / 60_000), "min");
}

function _two(most: number, unit: string, rest: number, smaller: string): string {
  return rest === 0 ? `${most} ${unit}` : `${most} ${unit} ${rest} ${smaller}`;
}
