/** A list of rows of 32 px, of which only those in sight are drawn, in the same elements: ten thousand scroll as ten do. */

import { Component, type ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Loaded } from "../state/loaded";
import { nameOf } from "../state/pages";
import { slots, type Slot } from "../state/slots";
import { words } from "../words";
import { Empty, Shape } from "./basics";

/** A column: its name, its width (CSS), and what stands in it. Columns of `wide` lists alone are left out on a phone. */
export interface Column<T> {
  name: string;
  width: string;
  show: (row: T) => ComponentChildren;
  wide?: boolean;
  number?: boolean;
  /** Its width on a phone, and beside what is open; else as otherwise, but that the first column becomes as narrow as it must. */
  narrow?: string;
}

/** The widths of the columns of a narrow list. */
function _narrow<T>(columns: readonly Column<T>[]): string {
  const shown = columns.filter((column) => !column.wide);
  return shown.map(({ width, narrow }, index) => narrow ?? (index > 0 ? width : width.replace(/minmax\([^,]+/, "minmax(0"))).join(" ");
}

const _ROW = 32;
const _BEYOND = 10;
/** When a list that was scrolled stands still: then what is around is drawn as well. */
const _STANDS_MS = 100;

interface ListOf<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  /** Tells rows apart. */
  id: (row: T) => string;
  /** Where a row leads. */
  href: (row: T) => string;
  /** The id of the row that is open beside the list. */
  open?: string | undefined;
  /** Loads more when the end comes near; undefined: there is no more. */
  more?: (() => void) | undefined;
}

/** The rows that are drawn: from the first to before the last. */
interface Sight {
  first: number;
  last: number;
}

export function List<T>({ label, rows, columns, id, href, open, more }: ListOf<T>) {
  const box = useRef<HTMLDivElement>(null);
  const height = useRef(0); // asked for when it changes: while somebody scrolls, that would lay the page out once more
  const [sight, setSight] = useState<Sight>({ first: 0, last: 60 });
  const elements = useRef<readonly Slot[]>([]);
  const look = () => {
    const element = box.current;
    if (!element) return;
    const top = Math.floor(element.scrollTop / _ROW);
    const bottom = Math.ceil((element.scrollTop + height.current) / _ROW);
    setSight((was) => {
      const beyond = top < was.last && bottom > was.first ? _BEYOND : 0; // who flies over the list sees nothing of what is around
      const first = Math.max(0, top - beyond);
      const last = bottom + beyond;
      return was.first === first && was.last === last ? was : { first, last };
    });
    if (more && bottom >= rows.length - 2 * _BEYOND) more();
  };
  useLayoutEffect(() => {
    const measure = () => {
      height.current = box.current?.clientHeight ?? 0;
      look();
    };
    const watch = new ResizeObserver(measure);
    if (box.current) watch.observe(box.current);
    measure();
    return () => watch.disconnect();
  }, [rows.length, more]);
  useEffect(() => {
    const soon = window.setTimeout(look, _STANDS_MS);
    return () => window.clearTimeout(soon);
  }, [sight]);
  const focused = (document.activeElement as HTMLElement | null)?.dataset["row"];
  const step = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    const at = rows.findIndex((row) => id(row) === (document.activeElement as HTMLElement | null)?.dataset["row"]);
    if (!by || event.metaKey || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    const next = Math.min(rows.length - 1, Math.max(0, at + by));
    const element = box.current;
    if (!element || !rows[next]) return;
    if (next * _ROW < element.scrollTop) element.scrollTop = next * _ROW;
    if ((next + 2) * _ROW > element.scrollTop + element.clientHeight) element.scrollTop = (next + 2) * _ROW - element.clientHeight;
    look();
    requestAnimationFrame(() => element.querySelector<HTMLElement>(`[data-row="${CSS.escape(id(rows[next] as T))}"]`)?.focus());
  };
  const shown = _shown(rows, sight, id, elements.current.some((slot) => slot.id === focused) ? focused : undefined);
  elements.current = slots(elements.current, shown.map(([row]) => id(row)), focused);
  const style = { "--columns": columns.map((column) => column.width).join(" "), "--narrow": _narrow(columns) };
  return (
    <div class="list" role="table" aria-label={label} aria-rowcount={rows.length + 1} style={style} onKeyDown={step}>
      <div class="rows" ref={box} onScroll={look} role="rowgroup" tabIndex={rows.length > 0 ? -1 : 0}>
        <div class="row names" role="row" aria-rowindex={1}>
          {columns.map((column) => (
            <span key={column.name} role="columnheader" class={_class(column)}>
              {column.name}
            </span>
          ))}
        </div>
        <div class="extent" style={{ height: `${rows.length * _ROW}px` }} role="presentation">
          {shown.map(([row, index], place) => (
            <Row key={elements.current[place]?.key} row={row} index={index} id={id(row)} is={id(row) === open} columns={columns} href={href} />
          ))}
        </div>
      </div>
      {rows.length > 0 && <p class="count dim">{words().rows(rows.length, more !== undefined)}</p>}
    </div>
  );
}

/** The rows that are drawn, each with its index: those of `sight`, and the one that has the focus, so that it keeps it out of sight as well. */
function _shown<T>(rows: readonly T[], { first, last }: Sight, id: (row: T) => string, focused: string | undefined): [T, number][] {
  const shown = rows.slice(first, last).map((row, place): [T, number] => [row, first + place]);
  if (focused === undefined || shown.some(([row]) => id(row) === focused)) return shown;
  const at = rows.findIndex((row) => id(row) === focused);
  if (at >= last) shown.push([rows[at] as T, at]);
  else if (at >= 0) shown.unshift([rows[at] as T, at]);
  return shown;
}

type RowOf<T> = Pick<ListOf<T>, "columns" | "href"> & { row: T; index: number; id: string; is: boolean };

/** Drawn again when what it shows is another, or a signal that it has read, such as names that come later: not because the list is scrolled. */
class Row<T> extends Component<RowOf<T>> {
  override shouldComponentUpdate(next: RowOf<T>, state: object) {
    return state !== this.state || (Object.keys(next) as (keyof RowOf<T>)[]).some((name) => next[name] !== this.props[name]);
  }

  override render({ row, index, id, is, columns, href }: RowOf<T>) {
    return (
      <div class={is ? "row open" : "row"} role="row" aria-rowindex={index + 2} style={{ transform: `translateY(${index * _ROW}px)` }}>
        {columns.map((column, place) => (
          <span role="cell" class={_class(column)}>
            {place > 0 ? (
              column.show(row)
            ) : (
              <a href={href(row)} data-row={id} aria-current={is ? "true" : undefined}>
                {column.show(row)}
              </a>
            )}
          </span>
        ))}
      </div>
    );
  }
}

/** A list that is loaded page by page. Before it stands its shape; where it is empty, what to do: `none` says so, `line` makes one in a
 * terminal, and `children` are what makes one here.
 */
export function Listed<T>({
  of,
  filter = "",
  none = "",
  line,
  children,
  id = nameOf,
  ...rest
}: {
  of: Pick<Loaded<unknown>, "data" | "error"> & { rows: readonly T[]; more: (() => void) | undefined };
  /** What was searched for. */
  filter?: string;
  none?: string;
  line?: string;
  children?: ComponentChildren;
  id?: (row: T) => string;
} & Pick<ListOf<T>, "label" | "columns" | "href" | "open">) {
  const { rows, more } = of;
  const empty = of.data !== undefined && rows.length === 0;
  useEffect(() => {
    if (empty) more?.(); // a page of a search may have found nothing yet
  }, [empty, more]);
  if (rows.length > 0) return <List {...rest} rows={rows} id={id} more={more} />;
  if (!empty) return of.error ? null : <Shape />;
  if (more || !none) return null;
  return (
    <Empty sentence={filter ? words().nothingMatches : none} line={line}>
      {!filter && children}
    </Empty>
  );
}

function _class(column: { wide?: boolean; number?: boolean }): string {
  return [column.wide ? "wide" : "", column.number ? "number" : ""].join(" ").trim();
}
