/** What the pages of administration have in common: a list, a panel for a new thing, a panel for one. */

import type { ComponentChildren } from "preact";
import { AsOf, Head } from "./basics";
import { Filter, filterOf } from "./filter";
import { Listed, type Column } from "./list";
import { Tabs } from "./tabs";
import { useLocation } from "../state/location";
import { useParts, type Part } from "../state/pages";
import { may } from "../state/session";

export interface Listing<T> {
  rows: readonly T[];
  again: () => void;
}

export function Admin<T>({
  path,
  title,
  tabs,
  scope,
  add,
  none,
  line,
  columns,
  load,
  name,
  id,
  offers,
  children,
}: {
  /** Of the page; one is at `${path}/${id}`, a new one at `${path}/new`. */
  path: string;
  title: string;
  /** The place whose tabs stand above, and what the first is called. */
  tabs?: { of: string; first: string };
  /** Needed to add one. */
  scope: string;
  add: string;
  none: string;
  line: string;
  columns: Column<T>[];
  load: (token: string, filter: string, signal: AbortSignal) => Promise<Part<T>>;
  name: (row: T) => string;
  id: string | undefined;
  /** Filters by a press, as pairs of name and expression; none: there is no filter. */
  offers?: readonly [string, string][];
  /** What is open beside the list. */
  children: (list: Listing<T>, open: T | undefined) => ComponentChildren;
}) {
  const { query } = useLocation();
  const filter = offers ? filterOf(query) : "";
  const list = useParts((token, signal) => load(token, filter, signal), [filter], [], name);
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  const short = (row: T) => name(row).slice(name(row).lastIndexOf("/") + 1);
  const open = list.rows.find((row) => short(row) === id);
  const button = may(scope) && (
    <a class="button main" href={`${path}/new`}>
      {add}
    </a>
  );
  return (
    <>
      <Head title={title}>{button}</Head>
      {tabs && <Tabs {...tabs} />}
      {offers && <Filter offers={offers} example={offers[0]?.[1] ?? ""} />}
      <AsOf of={list} />
      <div class={id ? "beside" : "alone"}>
        <Listed of={list} label={title} columns={columns} id={name} href={(row) => `${path}/${short(row)}${tail}`} open={open && name(open)} filter={filter} none={none} line={line}>
          {button}
        </Listed>
        {id && children(list, open)}
      </div>
    </>
  );
}
