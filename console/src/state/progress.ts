/** How far an import is, as the API tells it. */

/** A line that was refused. */
export interface Refusal {
  line: number;
  field: string;
  reason: string;
}

/** How far an import is; the counts are of all of it. */
export interface Progress {
  /** Everything up to this line is committed or refused. */
  lines: number;
  created: number;
  updated: number;
  unchanged: number;
  refused: number;
  /** The first thousand of them. */
  refusals: readonly Refusal[];
  done: boolean;
}

export const NOTHING: Progress = { lines: 0, created: 0, updated: 0, unchanged: 0, refused: 0, refusals: [], done: false };
const _MOST_REFUSALS = 1000;

type Message = Partial<Record<"lines" | "created" | "updated" | "unchanged" | "refused", string>> & {
  done?: boolean;
  refusals?: { line?: string; field?: string; reason?: string }[];
};

/** What is known after another message of the stream; fields at their defaults are left out of it. */
export function advanced(before: Progress, text: string): Progress {
  const said = JSON.parse(text) as Message;
  const number = (name: "lines" | "created" | "updated" | "unchanged" | "refused") => Number(said[name] ?? 0);
  const fresh = (said.refusals ?? []).map((item) => ({ line: Number(item.line ?? 0), field: item.field ?? "", reason: item.reason ?? "" }));
  return {
    lines: number("lines"),
    created: number("created"),
    updated: number("updated"),
    unchanged: number("unchanged"),
    refused: number("refused"),
    refusals: [...before.refusals, ...fresh].slice(0, _MOST_REFUSALS),
    done: said.done ?? false,
  };
}

/** The counts of an import that goes on after `before`. */
export function after(before: Progress, next: Progress): Progress {
  const sum = (name: "created" | "updated" | "unchanged" | "refused") => before[name] + next[name];
  return {
    lines: Math.max(before.lines, next.lines),
    created: sum("created"),
    updated: sum("updated"),
    unchanged: sum("unchanged"),
    refused: sum("refused"),
    refusals: [...before.refusals, ...next.refusals],
    done: next.done,
  };
}
