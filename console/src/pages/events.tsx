/** Events: what happened outside, who said so, and what it caused. */

import { useLocation } from "../state/location";
import { api, type Schemas } from "../api/client";
import { AsOf, CommandLine, Copy, Fact, Facts, Head, Section } from "../parts/basics";
import { Filter, filterOf } from "../parts/filter";
import { Listed, type Column } from "../parts/list";
import { Panel } from "../parts/panel";
import { Tabs } from "../parts/tabs";
import { When } from "../parts/when";
import { quoted } from "../state/intake";
import { useLoaded } from "../state/loaded";
import { useParts } from "../state/pages";
import { words } from "../words";

type Log = Schemas["scheduler.v1.TriggerLog"];
const _HERE = "/console/events";
const _LINE = `tocsin event send orders.paid '{"total": 120}'`;

const _columns = (): Column<Log>[] => [
  { name: words().watched.topic, width: "minmax(9rem, 2fr)", show: (row) => row.topic },
  { name: words().watched.came, width: "minmax(6rem, 1fr)", show: (row) => <When at={row.receiveTime} /> },
  { name: words().watched.source, width: "minmax(6rem, 1fr)", show: (row) => row.source || "–" },
  { name: words().watched.firings, width: "5rem", number: true, show: (row) => row.matched ?? 0 },
  { name: words().watched.data, width: "minmax(8rem, 2fr)", wide: true, show: (row) => JSON.stringify(row.data ?? {}) },
];

export default function Events({ params }: { params?: { id?: string } }) {
  const { query } = useLocation();
  const id = params?.id;
  const filter = filterOf(query);
  const list = useParts(
    async (pageToken, signal) => {
      const whole = ['kind="EVENT"', filter].filter(Boolean).join(" AND ");
      const found = await api.GET("/v1/triggers:logs", { params: { query: { pageSize: 200, pageToken, filter: whole } }, signal });
      return { rows: found.logs, next: found.nextPageToken ?? "" };
    },
    [filter],
    ["firing"],
    (row) => row.id ?? "",
  );
  const stats = useLoaded((signal) => api.GET("/v1/triggers:stats", { signal }), [], ["firing"]);
  const topics = Object.entries(stats.data?.topics ?? {})
    .sort(([, one], [, other]) => Number(other) - Number(one))
    .slice(0, 6);
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  const log = list.rows.find((row) => row.id === id);
  return (
    <>
      <Head title={words().pages.events} note={stats.data && words().watched.counts(Number(stats.data.events ?? 0), Number(stats.data.eventFirings ?? 0))} />
      <Tabs of="/console/integrations" first={words().pages.integrations} />
      <Filter offers={topics.map(([topic]) => [topic, `topic="${topic}"`])} example='topic="orders.paid"' />
      <AsOf of={list} />
      <div class={id ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.events}
          columns={_columns()}
          id={(row) => row.id ?? ""}
          href={(row) => `${_HERE}/${encodeURIComponent(row.id ?? "")}${tail}`}
          open={id}
          filter={filter}
          none={words().watched.noEvents}
          line={_LINE}
        />
        {id && list.data && (
          <Panel title={log?.topic ?? words().watched.event} back={`${_HERE}${tail}`}>
            {!log && <p class="said">{words().watched.eventGone}</p>}
            {log && (
              <>
                <Facts>
                  <Fact name={words().watched.happened}>
                    <When at={log.time} full />
                  </Fact>
                  <Fact name={words().watched.came}>
                    <When at={log.receiveTime} full />
                  </Fact>
                  <Fact name={words().watched.source}>{log.source}</Fact>
                  <Fact name={words().watched.firings}>{String(log.matched ?? 0)}</Fact>
                  <Fact name={words().id}>
                    <Copy text={log.id ?? ""} />
                  </Fact>
                </Facts>
                <Section title={words().watched.data}>
                  <pre>{JSON.stringify(log.data ?? {}, null, 2)}</pre>
                </Section>
                <CommandLine line={`tocsin event send ${log.topic} ${quoted(JSON.stringify(log.data ?? {}))}`} />
              </>
            )}
          </Panel>
        )}
      </div>
    </>
  );
}
