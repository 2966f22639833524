/** Lists that are loaded page by page, put together. */

/** One page of a list, as the API gives it, or several that follow each other. `next`: the token of the page after it; empty: there is none. */
export interface Part<T> {
  rows: readonly T[];
  next: string;
}

/** Pages beyond the first that are read to come to the rows that are known: more has become new than anybody reads row by row. */
const _MOST = 5;

/** A fresh first page, and behind it, without a hole, the rows that were loaded `before`: what became new in between is read as well. What is too
 * long to be read ends where it was read to, and goes on from there.
 */
export async function joined<T>(fresh: Part<T>, before: Part<T>, load: (token: string) => Promise<Part<T>>, id: (row: T) => string): Promise<Part<T>> {
  const places = new Map(before.rows.map((row, place) => [id(row), place]));
  let { rows, next } = fresh;
  for (let pages = 0; next; pages++) {
    const last = rows.at(-1);
    const place = last === undefined ? undefined : places.get(id(last));
    if (place !== undefined) return { rows: unique([...rows, ...before.rows.slice(place + 1)], id), next: before.next };
    if (pages === _MOST) break;
    const part = await load(next);
    rows = [...rows, ...part.rows];
    next = part.next;
  }
  return { rows: unique(rows, id), next };
}

/** `rows` without those that came before: a list that changes while it is read gives some twice. */
export function unique<T>(rows: readonly T[], id: (row: T) => string): T[] {
  const known = new Set<string>();
  return rows.filter((row) => !known.has(id(row)) && known.add(id(row)));
}
