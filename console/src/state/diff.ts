/** The difference of two texts, line by line. */

/** A line of the difference: in both, only in the old text, or only in the new one; with its numbers, from 1. A gap stands for lines that are the same. */
export type DiffLine =
  | { kind: "same"; old: number; new: number; text: string }
  | { kind: "gone"; old: number; text: string }
  | { kind: "added"; new: number; text: string }
  | { kind: "gap"; count: number };

const _MOST_CELLS = 4_000_000; // a table of so many numbers is made in some ten milliseconds
const _CONTEXT = 3;

/** All lines of both texts, in order: a longest common subsequence stays (where the texts are huge and all different, nothing in between does). */
export function lineDiff(before: string, after: string): DiffLine[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let tail = 0;
  while (tail < a.length - start && tail < b.length - start && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const [rows, columns] = [a.length - start - tail, b.length - start - tail];
  const found: DiffLine[] = a.slice(0, start).map((text, at) => ({ kind: "same", old: at + 1, new: at + 1, text }));
  found.push(...(rows * columns > _MOST_CELLS ? _replaced(a, b, start, rows, columns) : _middle(a, b, start, rows, columns)));
  for (let at = tail; at > 0; at--) found.push({ kind: "same", old: a.length - at + 1, new: b.length - at + 1, text: a[a.length - at] as string });
  return found;
}

function _replaced(a: readonly string[], b: readonly string[], start: number, rows: number, columns: number): DiffLine[] {
  const gone = a.slice(start, start + rows).map((text, at): DiffLine => ({ kind: "gone", old: start + at + 1, text }));
  return [...gone, ...b.slice(start, start + columns).map((text, at): DiffLine => ({ kind: "added", new: start + at + 1, text }))];
}

function _middle(a: readonly string[], b: readonly string[], start: number, rows: number, columns: number): DiffLine[] {
  const width = columns + 1;
  const length = new Uint32Array((rows + 1) * width); // of the longest common subsequence of what is behind each pair
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      const [down, right] = [length[(i + 1) * width + j] as number, length[i * width + j + 1] as number];
      length[i * width + j] = a[start + i] === b[start + j] ? (length[(i + 1) * width + j + 1] as number) + 1 : Math.max(down, right);
    }
  }
  const found: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < rows || j < columns) {
    const [old, fresh] = [start + i + 1, start + j + 1];
    if (i < rows && j < columns && a[start + i] === b[start + j]) {
      found.push({ kind: "same", old, new: fresh, text: a[start + i] as string });
      i++;
      j++;
    } else if (i < rows && (j >= columns || (length[(i + 1) * width + j] as number) >= (length[i * width + j + 1] as number))) {
      found.push({ kind: "gone", old, text: a[start + i] as string });
      i++;
    } else {
      found.push({ kind: "added", new: fresh, text: b[start + j] as string });
      j++;
    }
  }
  return found;
}

/** What is worth reading of a difference: its changes with three lines around them, and a gap where more is the same. */
export function changesOnly(lines: readonly DiffLine[]): DiffLine[] {
  const changed = lines.flatMap((line, at) => (line.kind === "same" ? [] : [at]));
  const near = new Set(changed.flatMap((at) => Array.from({ length: 2 * _CONTEXT + 1 }, (_, by) => at - _CONTEXT + by)));
  const found: DiffLine[] = [];
  lines.forEach((line, at) => {
    const last = found.at(-1);
    if (near.has(at)) found.push(line);
    else if (last?.kind === "gap") last.count++;
    else found.push({ kind: "gap", count: 1 });
  });
  return found;
}
