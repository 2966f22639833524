/** Readings: the limits that are watched, and what was measured last. */

import { useLocation } from "../state/location";
import { api, idOf, type Schemas } from "../api/client";
import { AsOf, CommandLine, Copy, Empty, Fact, Facts, Head, Pending, Section, Shape } from "../parts/basics";
import { Choice } from "../parts/fields";
import { Form } from "../parts/form";
import { Duration } from "../parts/hours";
import { List, type Column } from "../parts/list";
import { State } from "../parts/mark";
import { Panel } from "../parts/panel";
import { PickPolicy } from "../parts/pick-policy";
import { Tabs } from "../parts/tabs";
import { When, absolute, timeOfDay } from "../parts/when";
import { millis, ruleOf, type Alarm } from "../state/alarms";
import { lasting } from "../state/lasting";
import { useLoaded } from "../state/loaded";
import { may } from "../state/session";
import { standingName, standingTone, type Standing } from "../state/watched";
import { words } from "../words";
import { useStandings, WatchedActions } from "./heartbeats";

type Log = Schemas["scheduler.v1.TriggerLog"];
type Comparison = "GREATER_THAN" | "GREATER_OR_EQUAL" | "LESS_THAN" | "LESS_OR_EQUAL";
const _HERE = "/console/readings";

const _columns = (): Column<Standing>[] => [
  { name: words().alarm.name, width: "minmax(9rem, 2fr)", show: standingName },
  { name: words().state, width: "minmax(7rem, 1fr)", show: (row) => <State tone={standingTone(row)} word={words().watched.limits[row.state ?? ""] ?? ""} /> },
  { name: words().watched.value, width: "6rem", number: true, show: (row) => row.value ?? "–" },
  { name: words().watched.seenReading, width: "minmax(6rem, 1fr)", wide: true, show: (row) => <When at={row.seenTime} /> },
  { name: words().watched.since, width: "minmax(6rem, 1fr)", wide: true, show: (row) => <When at={row.since} /> },
];

export default function Readings({ params }: { params?: { id?: string } }) {
  const { query, route } = useLocation();
  const id = params?.id;
  const list = useStandings("THRESHOLD");
  const recent = useLoaded((signal) => api.GET("/v1/triggers:logs", { params: { query: { pageSize: 20, filter: 'kind="READING"' } }, signal }), [], ["firing"]);
  const adding = query["add"] !== undefined && !id;
  const add = may("alarms:write") && (
    <a class="button main" href={`${_HERE}?add`}>
      {words().watched.addLimit}
    </a>
  );
  return (
    <>
      <Head title={words().pages.readings}>{add}</Head>
      <Tabs of="/console/integrations" first={words().pages.integrations} />
      <AsOf of={list} />
      <div class={id || adding ? "beside" : "alone"}>
        <div class="column">
          {!list.data && !list.error && <Shape />}
          {list.data && list.rows.length === 0 && (
            <Empty sentence={words().watched.noLimits} line="tocsin reading send cellar.temperature 21.5">
              {add}
            </Empty>
          )}
          {list.rows.length > 0 && (
            <div class="few" style={{ height: `${Math.min(12, list.rows.length) * 32 + 68}px` }}>
            <List label={words().pages.readings} rows={list.rows} columns={_columns()} id={(row) => row.alarm ?? ""} href={(row) => `${_HERE}/${idOf(row.alarm)}`} open={id && `alarms/${id}`} more={list.more} />
            </div>
          )}
          {(recent.data?.logs.length ?? 0) > 0 && (
            <Section title={words().watched.recent}>
              <Measured logs={recent.data?.logs ?? []} named />
            </Section>
          )}
        </div>
        {adding && (
          <Panel title={words().watched.addLimit} back={_HERE}>
            <LimitForm
              done={(made) => {
                list.again();
                route(`${_HERE}/${idOf(made.name)}`);
              }}
            />
          </Panel>
        )}
        {id && <One key={id} id={id} standing={list.rows.find((row) => row.alarm === `alarms/${id}`)} changed={list.again} />}
      </div>
    </>
  );
}

/** Readings, the newest first. */
function Measured({ logs, named = false }: { logs: readonly Log[]; named?: boolean }) {
  return (
    <ol class="timeline">
      {logs.map((log) => (
        <li key={log.id}>
          <time dateTime={log.receiveTime} title={absolute(log.receiveTime ?? "")}>
            {timeOfDay(log.receiveTime ?? "", true)}
          </time>
          <div>
            <b>{String((log.data as { value?: number } | undefined)?.value ?? "–")}</b> {named && log.topic} <span class="dim">{[log.source, log.matched ? words().watched.caused(log.matched) : ""].filter(Boolean).join(" · ")}</span>
          </div>
        </li>
      ))}
    </ol>
  );
}

function One({ id, standing, changed }: { id: string; standing: Standing | undefined; changed: () => void }) {
  const found = useLoaded((signal) => api.GET("/v1/alarms/{alarm}", { params: { path: { alarm: id } }, signal }), [id], ["firing"]);
  const alarm = found.data;
  const limit = alarm?.trigger.threshold;
  const metric = limit?.metric ?? "";
  const last = useLoaded(
    async (signal) => (metric ? api.GET("/v1/triggers:logs", { params: { query: { pageSize: 20, filter: `kind="READING" AND topic=${JSON.stringify(metric)}` } }, signal }) : { logs: [] }),
    [metric],
    ["firing"],
  );
  const refresh = () => {
    found.again();
    changed();
  };
  return (
    <Panel title={alarm?.displayName || metric || words().watched.limit} back={_HERE}>
      <Pending of={found} rows={6} />
      {alarm && (
        <>
          {standing && (
            <p class="large">
              <State tone={standingTone(standing)} word={words().watched.limits[standing.state ?? ""] ?? ""} />
            </p>
          )}
          {standing?.incident && (
            <p class="said">
              <a href={`/console/${standing.incident}`}>{words().watched.incident}</a>
            </p>
          )}
          <WatchedActions alarm={alarm} changed={refresh} back={_HERE} />
          <Facts>
            <Fact name={words().watched.limit}>{ruleOf(alarm.trigger)}</Fact>
            <Fact name={words().watched.forTime}>{limit?.forDuration && lasting(millis(limit.forDuration))}</Fact>
            <Fact name={words().watched.value}>{standing?.value !== undefined && String(standing.value)}</Fact>
            <Fact name={words().watched.seenReading}>{standing?.seenTime && <When at={standing.seenTime} full />}</Fact>
            <Fact name={words().watched.since}>{standing?.since && <When at={standing.since} full />}</Fact>
            <Fact name={words().id}>
              <Copy text={alarm.name ?? ""} />
            </Fact>
          </Facts>
          <Section title={words().watched.recent}>
            {last.data?.logs.length === 0 && <p class="dim">{words().watched.noReadings}</p>}
            <Measured logs={last.data?.logs ?? []} />
          </Section>
          <CommandLine line={`tocsin reading send ${metric} ${limit?.value ?? 0}`} />
        </>
      )}
    </Panel>
  );
}

interface Draft {
  displayName: string;
  metric: string;
  comparison: Comparison;
  value: string;
  forTime: string;
  escalationPolicy: string;
}

const _SIGNS: readonly (readonly [Comparison, string])[] = [
  ["GREATER_THAN", ">"],
  ["GREATER_OR_EQUAL", "≥"],
  ["LESS_THAN", "<"],
  ["LESS_OR_EQUAL", "≤"],
];

function LimitForm({ done }: { done: (alarm: Alarm) => void }) {
  const first: Draft = { displayName: "", metric: "", comparison: "GREATER_THAN", value: "", forTime: "", escalationPolicy: "" };
  const save = async (draft: Draft) => {
    const threshold = { metric: draft.metric, comparison: draft.comparison, value: Number(draft.value), ...(draft.forTime ? { forDuration: draft.forTime } : {}) };
    const sign = _SIGNS.find(([name]) => name === draft.comparison)?.[1] ?? "";
    const notify = { escalationPolicy: draft.escalationPolicy, subject: draft.displayName, text: `${draft.metric} ${sign} ${draft.value}` };
    done(await api.POST("/v1/alarms", { body: { displayName: draft.displayName, trigger: { threshold }, action: { notify } } }));
  };
  return (
    <Form id="limit" first={first} send={save} name={words().watched.addLimit}>
      {({ of, text }) => (
        <>
          {text("displayName", words().alarm.name, { required: true, max: 200, first: true })}
          {text("metric", words().watched.metric, { required: true, placeholder: "cellar.temperature", path: "threshold.metric" })}
          <div class="pair">
            <Choice label={words().watched.comparison} of={_SIGNS} {...of("comparison", "threshold.comparison")} />
            {text("value", words().watched.limit, { type: "number", step: "any", required: true, path: "threshold.value" })}
          </div>
          <Duration optional label={words().watched.forTime} {...of("forTime", "threshold.forDuration")} />
          <PickPolicy required {...of("escalationPolicy")} none={words().fields.choose} />
        </>
      )}
    </Form>
  );
}
