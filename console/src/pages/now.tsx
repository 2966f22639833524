/** The first page: what is wrong comes first and says what to do; what is well is one quiet line. */

import { useEffect, useState } from "preact/hooks";
import { api, type Schemas } from "../api/client";
import { onChange } from "../api/live";
import { ApiError } from "../api/problem";
import { Bars } from "../parts/bars";
import { AsOf, Button, CommandLine, Failure, Head, Pending, Section, Shape } from "../parts/basics";
import { Mark, State, type Tone } from "../parts/mark";
import { Lateness, Sent } from "../parts/summaries";
import { When, absolute, timeOfDay } from "../parts/when";
import { lasting } from "../state/lasting";
import { act } from "../state/act";
import { firingTone, firingWord, incidentTone, lateness, type Alarm, type Firing, type Incident } from "../state/alarms";
import { inSeconds, now, serverNow } from "../state/clock";
import { received } from "../state/inbox";
import { useLoaded } from "../state/loaded";
import { nameOf } from "../state/pages";
import { unique } from "../state/parts";
import { alarmName } from "../state/names";
import { may, ownAddress } from "../state/session";
import { who } from "../state/who";
import { words } from "../words";

interface Health {
  status: string;
  services: Record<string, { status: string }>;
  circuitBreakers?: Record<string, { state: string }>;
}

const _HEALTH_MS = 2000;
const _MOST = 10;
const _OPEN = 'state="TRIGGERED"';

export default function Now() {
  return (
    <>
      <Head title={words().pages.now} />
      <div class="stack reveal">
        <Standing />
        {may("incidents:read") && <OpenIncidents />}
        {may("firings:read") && <Dead />}
        {may("alarms:write") && <RingMe />}
        {may("alarms:read") && <Ahead />}
        <div class="halves">
          {may("firings:read") && <Lateness />}
          {may("deliveries:read") && <Sent />}
        </div>
        {may("firings:read") && <Recent />}
      </div>
    </>
  );
}

/** The platform, in a line; each service that is not well, in a line of its own. */
function Standing() {
  const found = useLoaded(
    async (signal) => {
      try {
        const response = await fetch("/health", { signal });
        return (await response.json()) as Health;
      } catch (error) {
        if (signal.aborted) throw error;
        throw new ApiError("GET /health", 0, "");
      }
    },
    [],
    [],
    0,
    _HEALTH_MS,
  );
  const health = found.data;
  if (!health) return <Pending of={found} rows={1} />;
  const tone: Tone = health.status === "healthy" ? "good" : health.status === "degraded" ? "warn" : "bad";
  const ill = Object.entries(health.services).filter(([, service]) => service.status !== "healthy");
  const open = Object.entries(health.circuitBreakers ?? {}).filter(([, breaker]) => breaker.state.toLowerCase() !== "closed");
  return (
    <section class="standing">
      <AsOf of={found} />
      <p class={tone === "good" ? "dim" : "large"}>
        <Mark tone={tone} /> {words().now.health[health.status] ?? health.status}
      </p>
      <ul class="plain">
        {ill.map(([name, service]) => (
          <li key={name}>
            <State tone={service.status === "degraded" ? "warn" : "bad"} word={name} />
            <span>{words().now.service[service.status] ?? service.status}</span>
            <a href={`/console/mesh/${name}`}>{words().pages.mesh}</a>
          </li>
        ))}
        {open.map(([name]) => (
          <li key={`breaker ${name}`}>
            <State tone="warn" word={words().now.breakerOpen(name)} />
            <a href="/console/mesh">{words().pages.mesh}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function OpenIncidents() {
  const found = useLoaded(
    async (signal) => {
      // In a flood the worst may be older than the newest few.
      const filters = ['state="TRIGGERED" AND severity="CRITICAL"', _OPEN, 'state="ACKNOWLEDGED"'];
      const parts = await Promise.all(filters.map((filter) => api.GET("/v1/incidents", { params: { query: { pageSize: _MOST, filter } }, signal })));
      return { incidents: unique(parts.flatMap((part) => part.incidents), nameOf), more: Boolean(parts[1]?.nextPageToken) };
    },
    [],
    ["incident"],
  );
  if (found.error && !found.data) return <Failure error={found.error} again={found.again} />;
  if (!found.data?.incidents.length) return found.data ? <p class="dim quiet-line">{words().now.noIncidents}</p> : <Shape rows={1} />;
  const acknowledge = (name: string) =>
    act(async () => {
      await api.POST("/v1/incidents/{incident}:acknowledge", { params: { path: { incident: name.replace("incidents/", "") } }, body: {} });
      found.again();
    }, words().incident.acknowledged);
  const worst = ({ state, severity }: Incident) => ["CRITICAL", "ERROR", "WARNING", "INFO"].indexOf(severity ?? "INFO") + (state === "TRIGGERED" ? 0 : 10);
  const incidents = [...found.data.incidents].sort((one, other) => worst(one) - worst(other));
  return (
    <Section title={words().now.incidents}>
      <ul class="plain urgent">
        {incidents.map((incident, index) => (
          <li key={incident.name}>
            <State tone={incidentTone(incident)} word={(incident.state === "TRIGGERED" ? words().incident.severities[incident.severity ?? ""] : words().incident.states["ACKNOWLEDGED"]) ?? ""} />
            <a href={`/console/${incident.name}`}>{incident.title}</a>
            <span class="dim">
              {who(incident.acknowledgedBy)} <When at={incident.createTime} />
            </span>
            {may("incidents:write") && incident.state === "TRIGGERED" && (
              <Button kind={index === 0 ? "main" : "plain"} onPress={() => acknowledge(incident.name ?? "")}>
                {words().incident.acknowledge}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {found.data.more && <a href={`/console/incidents?filter=${encodeURIComponent(_OPEN)}`}>{words().now.allIncidents}</a>}
    </Section>
  );
}

function Dead() {
  const found = useLoaded(
    (signal) => api.GET("/v1/firings", { params: { query: { pageSize: 5, filter: 'state="DEAD"' } }, signal }),
    [],
    ["firing"],
  );
  if (!found.data) return <Pending of={found} rows={1} />;
  if (!found.data.firings.length) return <p class="dim quiet-line">{words().now.noDead}</p>;
  return (
    <Section title={words().now.dead}>
      <ul class="plain">
        {found.data.firings.map((firing) => (
          <li key={firing.name}>
            <Mark tone="bad" />
            <a href={`/console/${firing.name}`}>{alarmName(firing.alarm) || firing.name}</a>
            <span class="dim">
              <When at={firing.dueTime} />
            </span>
            <span class="why dim">{firing.error || firing.reason}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** Ten seconds from nothing to a mail: an alarm appears, counts down, rings, and its mail opens. */
function RingMe() {
  const [alarm, setAlarm] = useState<Alarm | null>(null);
  const [firing, setFiring] = useState<Firing | null>(null);
  const [mail, setMail] = useState<Schemas["mailer.v1.InboxMessage"] | null>(null);
  useEffect(() => {
    if (!alarm) return;
    return onChange(["firing", "delivery"], (changes) => {
      for (const change of changes) {
        if (change.firing?.alarm === alarm.name) setFiring(change.firing ?? null);
        if (change.delivery?.alarm === alarm.name && change.delivery?.state === "SENT") void look(change.delivery.name ?? "");
      }
    });
  }, [alarm]);
  const look = async (delivery: string) => {
    if (!may("inbox:read")) return;
    const found = await api.GET("/v1/inbox/messages", { params: { query: { pageSize: 20 } } });
    received.value = found.messages.map((message) => message.receivedTime ?? "");
    setMail(found.messages.find((message) => message.delivery === delivery) ?? null);
  };
  const ring = () => {
    setFiring(null);
    setMail(null);
    return act(async () => {
      const to = (await ownAddress()) || "you@example.com";
      const at = inSeconds(10);
      const made = await api.POST("/v1/alarms", {
          body: { displayName: words().now.ringName, trigger: { at }, action: { notify: { to: [to], subject: words().now.ringSubject, text: words().now.ringText } } },
        });
      setAlarm(made);
    }, words().now.ringSet);
  };
  const left = alarm?.trigger.at ? Math.max(0, Math.ceil((Date.parse(alarm.trigger.at) - now.value) / 1000)) : 0;
  const late = firing ? lateness(firing) : undefined;
  return (
    <section class="ring">
      <Button kind={alarm ? "plain" : "main"} onPress={ring}>
        {words().now.ring}
      </Button>
      {alarm && (
        <ol class="steps" aria-live="polite">
          <li class="done">
            <a href={`/console/${alarm.name}`}>{words().now.ringMade}</a>
          </li>
          <li class={firing ? "done" : "next"}>
            {firing ? <a href={`/console/${firing.name}`}>{words().now.ringRang(late === undefined ? "" : lasting(late))}</a> : words().now.ringsIn(left)}
          </li>
          <li class={mail ? "done" : "next"}>
            {mail ? <a href={`/console/${(mail.name ?? "").replace("inbox/messages/", "inbox/")}`}>{words().now.ringMail(mail.subject ?? "")}</a> : words().now.ringMailNext}
          </li>
        </ol>
      )}
    </section>
  );
}

function Ahead() {
  const found = useLoaded((signal) => api.GET("/v1/forecast", { params: { query: { minutes: 1440 } }, signal }), [], ["firing"]);
  const next = useLoaded((signal) => api.GET("/v1/alarms", { params: { query: { pageSize: 200, filter: 'state="ACTIVE"' } }, signal }), [], ["firing"]);
  if (!found.data) return <Pending of={found} rows={3} />;
  if (!next.data && !next.error) return <Shape rows={3} />;
  const hours = Array.from({ length: 24 }, () => 0);
  const start = Math.floor((Date.parse(found.data.computeTime ?? "") || serverNow()) / 60_000) * 60_000; // the first minute has begun
  for (const minute of found.data.minutes ?? []) {
    const hour = Math.floor((Date.parse(minute.startTime ?? "") - start) / 3_600_000);
    if (hour >= 0 && hour < 24) hours[hour] = (hours[hour] ?? 0) + Number(minute.fires ?? 0);
  }
  const known = next.data?.nextPageToken ? [] : (next.data?.alarms ?? []); // of a part of them the soonest need not be the soonest
  const soonest = known
    .filter((alarm) => alarm.nextFireTime)
    .sort((one, other) => (one.nextFireTime as string).localeCompare(other.nextFireTime as string))
    .slice(0, 3);
  return (
    <Section title={words().now.ahead} note={_planned(found.data)}>
      <Bars
        label={words().now.ahead}
        values={hours.map((value, index) => ({ name: timeOfDay(start + index * 3_600_000), title: absolute(start + index * 3_600_000), value }))}
        unit={words().now.fires}
        every={4}
      />
      <ul class="plain">
        {soonest.map((alarm) => (
          <li key={alarm.name}>
            <a href={`/console/${alarm.name}`}>{alarm.displayName || alarm.name}</a>
            <span class="dim">
              <When at={alarm.nextFireTime} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** How many, and when the most: that is when to look. */
function _planned(forecast: Schemas["scheduler.v1.Forecast"]): string {
  const { total, busiest } = forecast;
  const all = words().now.planned(Number(total ?? 0));
  return Number(busiest?.fires ?? 0) > 1 ? `${all}, ${words().now.busiest(Number(busiest?.fires), timeOfDay(busiest?.startTime ?? ""))}` : all;
}

function Recent() {
  const found = useLoaded((signal) => api.GET("/v1/firings", { params: { query: { pageSize: 10 } }, signal }), [], ["firing"]);
  if (!found.data) return <Pending of={found} rows={4} />;
  const fired = found.data.firings.filter((firing) => firing.fireTime);
  const late = fired.map((firing) => lateness(firing) ?? 0).sort((one, other) => one - other);
  return (
    <Section title={words().now.recent} note={late.length > 0 ? words().now.latest(lasting(late.at(-1) ?? 0)) : undefined}>
      {found.data.firings.length === 0 && <p class="dim">{words().firing.none}</p>}
      <ul class="plain">
        {found.data.firings.map((firing) => (
          <li key={firing.name}>
            <State tone={firingTone(firing)} word={firingWord(firing)} />
            <a href={`/console/${firing.name}`}>{alarmName(firing.alarm) || firing.name}</a>
            <span class="dim">
              <When at={firing.dueTime} />
            </span>
          </li>
        ))}
      </ul>
      <CommandLine line="tocsin watch" />
    </Section>
  );
}
