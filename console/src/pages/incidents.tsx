/** Incidents: what is wrong, who has it, and the buttons that a tired person needs. */

import { useLocation } from "../state/location";
import { useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { AsOf, Button, Copy, Fact, Facts, Failure, Head, Pending, Section } from "../parts/basics";
import { Filter, filterOf } from "../parts/filter";
import { Listed, type Column } from "../parts/list";
import { State } from "../parts/mark";
import { Panel } from "../parts/panel";
import { Tabs } from "../parts/tabs";
import { When, absolute, brief, timeOfDay } from "../parts/when";
import { act } from "../state/act";
import { incidentTone, type Incident } from "../state/alarms";
import { nextTime } from "../state/calendar";
import { serverNow, zone } from "../state/clock";
import { called, lookUp } from "../state/directory";
import { lasting } from "../state/lasting";
import { useLoaded } from "../state/loaded";
import { alarmName } from "../state/names";
import { useParts } from "../state/pages";
import { who } from "../state/who";
import { may } from "../state/session";
import { words } from "../words";

const _HOUR = 3_600_000;
const _MORNING = 9 * _HOUR;

const _columns = (): Column<Incident>[] => [
  { name: words().incident.what, width: "minmax(10rem, 3fr)", show: (row) => row.title },
  { name: words().state, width: "minmax(8rem, 1fr)", show: (row) => <State tone={incidentTone(row)} word={words().incident.states[row.state ?? ""] ?? ""} /> },
  { name: words().incident.since, width: "minmax(6rem, 1fr)", show: (row) => <When at={row.createTime} /> },
  { name: words().incident.severity, width: "6rem", wide: true, show: (row) => words().incident.severities[row.severity ?? ""] ?? "" },
  { name: words().incident.who, width: "minmax(6rem, 1fr)", wide: true, show: (row) => who(row.acknowledgedBy) },
  { name: words().incident.alerts, width: "5rem", wide: true, number: true, show: (row) => row.openAlertCount || row.triggerCount || 1 },
];

export default function Incidents({ params }: { params?: { id?: string } }) {
  const { query } = useLocation();
  const filter = filterOf(query);
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/incidents", { params: { query: { pageSize: 100, pageToken, filter } }, signal });
      return { rows: found.incidents, next: found.nextPageToken ?? "" };
    },
    [filter],
    ["incident"],
  );
  const id = params?.id;
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  return (
    <>
      <Head title={words().pages.incidents} />
      <Tabs of="/console/incidents" first={words().pages.incidents} />
      <Filter
        offers={[
          [words().incident.states["TRIGGERED"] ?? "", 'state="TRIGGERED"'],
          [words().incident.states["ACKNOWLEDGED"] ?? "", 'state="ACKNOWLEDGED"'],
        ]}
        example='severity="CRITICAL" AND create_time>"2026-01-01T00:00:00Z"'
      />
      <AsOf of={list} />
      <div class={id ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.incidents}
          columns={_columns()}
          href={(row) => `/console/${row.name}${tail}`}
          open={id && `incidents/${id}`}
          filter={filter}
          none={words().incident.none}
          line='tocsin incident trigger "Disk is full" --severity critical'
        />
        {id && <One key={id} id={id} back={`/console/incidents${tail}`} />}
      </div>
    </>
  );
}

function One({ id, back }: { id: string; back: string }) {
  const at = { params: { path: { incident: id } } };
  const found = useLoaded((signal) => api.GET("/v1/incidents/{incident}", { ...at, signal }), [id], ["incident"]);
  const told = useLoaded(
    (signal) => api.GET("/v1/incidents/{incident}/events", { params: { ...at.params, query: { pageSize: 200 } }, signal }),
    [id],
    ["incident"],
  );
  const [note, setNote] = useState("");
  const incident = found.data;
  const after = async (call: Promise<Incident>) => {
    const now = await call;
    found.put(() => now);
    told.again();
  };
  const acknowledge = () => after(api.POST("/v1/incidents/{incident}:acknowledge", { ...at, body: {} }));
  const back_ = () => after(api.POST("/v1/incidents/{incident}:unacknowledge", { ...at, body: {} }));
  const resolve = () => after(api.POST("/v1/incidents/{incident}:resolve", { ...at, body: {} }));
  const snooze = (until: number) => after(api.POST("/v1/incidents/{incident}:snooze", { ...at, body: { until: new Date(until).toISOString() } }));
  const write = async () => {
    if (!note.trim()) return;
    const done = await act(() => after(api.POST("/v1/incidents/{incident}:note", { ...at, body: { note } })), words().incident.noted);
    if (done) setNote("");
  };
  const open = incident && incident.state !== "RESOLVED";
  return (
    <Panel title={incident?.title ?? words().incident.one} back={back}>
      <Pending of={found} rows={6} />
      {incident && (
        <>
          <p class="large">
            <State tone={incidentTone(incident)} word={words().incident.states[incident.state ?? ""] ?? ""} />
          </p>
          {open && may("incidents:write") && (
            <div class="actions">
              {incident.state === "TRIGGERED" && (
                <Button kind="main" onPress={() => act(acknowledge, words().incident.acknowledged, back_)}>
                  {words().incident.acknowledge}
                </Button>
              )}
              <Button kind={incident.state === "TRIGGERED" ? "plain" : "main"} onPress={() => act(resolve, words().incident.resolved)}>
                {words().incident.resolve}
              </Button>
              {incident.state === "ACKNOWLEDGED" && <Button onPress={() => act(back_, words().incident.givenBack)}>{words().incident.giveBack}</Button>}
              <a class="button" href={`/console/silences?add=${id}`}>
                {words().incident.like}
              </a>
            </div>
          )}
          {open && may("incidents:write") && (
            <div class="actions" role="group" aria-label={words().incident.snooze}>
              <span class="dim">{words().incident.snooze}</span>
              {[...[0.25, 1, 4].map((hours) => [lasting(hours * _HOUR), serverNow() + hours * _HOUR] as const), [words().incident.morning, nextTime(_MORNING, serverNow(), zone.value)] as const].map(([name, until]) => (
                <Button key={name} onPress={() => act(() => snooze(until), words().incident.snoozed(brief(until)))}>
                  {name}
                </Button>
              ))}
            </div>
          )}
          {open && !incident.escalationPolicy && <p class="said">{words().incident.untold}</p>}
          {incident.description && <p class="said">{incident.description}</p>}
          <Facts>
            <Fact name={words().incident.severity}>{words().incident.severities[incident.severity ?? ""]}</Fact>
            <Fact name={words().incident.since}>
              <When at={incident.createTime} full />
            </Fact>
            <Fact name={words().incident.who}>{who(incident.acknowledgedBy)}</Fact>
            <Fact name={words().incident.next}>{open && incident.nextStepTime && <Next incident={incident} />}</Fact>
            <Fact name={words().incident.snoozedUntil}>{incident.snoozedUntil && <When at={incident.snoozedUntil} full />}</Fact>
            <Fact name={words().incident.held}>{incident.heldBy && <a href={`/console/${incident.heldBy}`}>{incident.heldBy}</a>}</Fact>
            <Fact name={words().incident.source}>{incident.source && <a href={`/console/${incident.source}`}>{incident.source.startsWith("alarms/") ? alarmName(incident.source) : incident.source}</a>}</Fact>
            <Fact name={words().incident.link}>
              {incident.url && (
                <a href={incident.url} rel="noreferrer noopener" target="_blank">
                  {incident.url}
                </a>
              )}
            </Fact>
            <Fact name={words().alarm.labels}>
              {Object.entries(incident.labels ?? {})
                .map(([key, value]) => `${key}=${value}`)
                .join(" ")}
            </Fact>
            <Fact name={words().id}>
              <Copy text={incident.name ?? ""} />
            </Fact>
          </Facts>
          <Section title={words().incident.timeline}>
            {told.error && !told.data && <Failure error={told.error} again={told.again} />}
            <ol class="timeline">
              {told.data?.events.map((event) => (
                <li key={event.name}>
                  <time dateTime={event.time} title={absolute(event.time ?? "")}>
                    {timeOfDay(event.time ?? "", true)}
                  </time>
                  <div>
                    <b>{words().incident.events[event.kind ?? ""] ?? event.kind}</b> {event.actor && event.actor !== "policy" && <span title={event.actor}>{who(event.actor)}</span>}{" "}
                    {event.text && <p>{words().firing.reasons[event.text] ?? event.text}</p>}
                    {event.firing && may("firings:read") && <a href={`/console/${event.firing}`}>{words().pages.deliveries}</a>}
                  </div>
                </li>
              ))}
            </ol>
            {may("incidents:write") && (
              <form
                class="note"
                onSubmit={(event) => {
                  event.preventDefault();
                  void write();
                }}
              >
                <input type="text" value={note} onInput={(event) => setNote(event.currentTarget.value)} placeholder={words().incident.note} aria-label={words().incident.note} />
                <button type="submit" class="button">
                  {words().incident.write}
                </button>
              </form>
            )}
          </Section>
        </>
      )}
    </Panel>
  );
}

/** When the next step comes, and whom it tells: of a rotation, who has it now. */
function Next({ incident: { escalationPolicy, nextStep = 0, nextStepTime } }: { incident: Incident }) {
  const told = useLoaded(
    async (signal) => {
      const policy = await api.GET("/v1/escalationPolicies/{escalationPolicy}", { params: { path: { escalationPolicy: idOf(escalationPolicy) } }, signal });
      const targets = policy.steps[nextStep % policy.steps.length]?.targets ?? [];
      if (!may("recipients:read")) return targets.map((target) => ({ target, now: [] as string[] }));
      const all = targets.map(async (target) => {
        if (!target.startsWith("rotations/")) return { target, now: [] as string[] };
        const duty = await api.GET("/v1/rotations/{rotation}:onCall", { params: { path: { rotation: idOf(target) } }, signal });
        return { target, now: duty.interval?.recipients ?? [] };
      });
      const found = await Promise.all(all);
      await lookUp(found.flatMap(({ target, now }) => [target, ...now]));
      return found;
    },
    [escalationPolicy, nextStep],
    ["rotation"],
  );
  return (
    <>
      <When at={nextStepTime} full />
      {told.data?.map(({ target, now }) => (
        <div key={target}>
          {called(target)} {now.length > 0 && <span class="dim">({now.map(called).join(", ")})</span>}
        </div>
      ))}
    </>
  );
}
