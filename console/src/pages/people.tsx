/** People: who messages are for, with their addresses; see also `groups.tsx` and `imports.tsx`. */

import { useLocation } from "../state/location";
import { api } from "../api/client";
import { AsOf, Head } from "../parts/basics";
import { Filter, filterOf } from "../parts/filter";
import { Listed, type Column } from "../parts/list";
import { Mark } from "../parts/mark";
import { Panel } from "../parts/panel";
import { Tabs } from "../parts/tabs";
import { RecipientForm } from "../parts/recipient-form";
import { RecipientPanel } from "../parts/recipient-panel";
import { When } from "../parts/when";
import { useParts } from "../state/pages";
import { addressTone, personName, recipientFilter, type Recipient } from "../state/people";
import { may } from "../state/session";
import { words } from "../words";

const _columns = (): Column<Recipient>[] => [
  { name: words().person.name, width: "minmax(9rem, 2fr)", show: personName },
  { name: words().person.addresses, width: "minmax(10rem, 3fr)", show: _addresses },
  { name: words().person.groups, width: "minmax(7rem, 1.5fr)", wide: true, show: (row) => row.groups?.map((name) => name.replace("groups/", "")).join(", ") },
  { name: words().template.locale, width: "5rem", wide: true, show: (row) => row.locale },
  { name: words().alarm.zone, width: "minmax(7rem, 1fr)", wide: true, show: (row) => row.timeZone },
  { name: words().delivery.changed, width: "minmax(6rem, 1fr)", wide: true, show: (row) => <When at={row.updateTime} /> },
];

function _addresses(row: Recipient) {
  const [first, ...more] = row.addresses ?? [];
  if (!first) return <span class="dim">{words().person.noAddress}</span>;
  return (
    <>
      <Mark tone={addressTone(first)} /> {first.value}
      {more.length > 0 && <span class="dim"> +{more.length}</span>}
    </>
  );
}

export default function People({ params }: { params?: { id?: string } }) {
  const { query, route } = useLocation();
  const filter = filterOf(query);
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/recipients", { params: { query: { pageSize: 200, pageToken, filter } }, signal });
      return { rows: found.recipients, next: found.nextPageToken ?? "" };
    },
    [filter],
    [],
  );
  const id = params?.id;
  const isNew = query["new"] !== undefined;
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  const back = `/console/recipients${tail}`;
  const add = may("recipients:write") && (
    <a class="button main" href="/console/recipients?new">
      {words().person.add}
    </a>
  );
  return (
    <>
      <Head title={words().pages.people}>{add}</Head>
      <Tabs of="/console/recipients" first={words().person.tabs.recipients} />
      <Filter offers={[]} example={words().person.findWhat} meant={recipientFilter} />
      <AsOf of={list} />
      <div class={id || isNew ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.people}
          columns={_columns()}
          href={(row) => `/console/${row.name}${tail}`}
          open={id && `recipients/${id}`}
          filter={filter}
          none={words().person.none}
          line="tocsin recipient add ann --name Ann --address email=ann@example.com"
        >
          {!isNew && add}
        </Listed>
        {isNew && (
          <Panel title={words().person.add} back={back}>
            <RecipientForm
              done={(made) => {
                list.again();
                route(`/console/${made.name}`);
              }}
            />
          </Panel>
        )}
        {id && <RecipientPanel key={id} id={id} back={back} changed={list.again} />}
      </div>
    </>
  );
}
