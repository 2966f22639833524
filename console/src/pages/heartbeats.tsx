/** Heartbeats: jobs that say that they are alive, when each did last, and the line that it does so by. */

import { useLocation } from "../state/location";
import { api, idOf, type Schemas } from "../api/client";
import { ApiError } from "../api/problem";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Failure, Head, Pending, Section } from "../parts/basics";
import { Choice, Zone } from "../parts/fields";
import { Form } from "../parts/form";
import { Duration } from "../parts/hours";
import { Listed, type Column } from "../parts/list";
import { State, type Tone } from "../parts/mark";
import { Panel } from "../parts/panel";
import { PickPolicy } from "../parts/pick-policy";
import { Tabs } from "../parts/tabs";
import { When, absolute, timeOfDay } from "../parts/when";
import { act } from "../state/act";
import { millis, type Alarm } from "../state/alarms";
import { ownZone } from "../state/clock";
import { lasting } from "../state/lasting";
import { useLoaded, type Loaded } from "../state/loaded";
import { useParts, type Part } from "../state/pages";
import { may } from "../state/session";
import { pingLines, standingName, standingTone, wrongFirst, type Standing } from "../state/watched";
import { words } from "../words";

type Ping = Schemas["scheduler.v1.KeptPing"];
const _HERE = "/console/heartbeats";

/** How everything of a kind stands, what is wrong first. */
export function useStandings(kind: "HEARTBEAT" | "THRESHOLD"): Loaded<Part<Standing>> & { rows: readonly Standing[]; more: (() => void) | undefined } {
  const found = useParts(
    async (pageToken, signal) => {
      const part = await api.GET("/v1/status", { params: { query: { pageSize: 1000, pageToken } }, signal });
      return { rows: part.standings.filter((item) => item.kind === kind), next: part.nextPageToken ?? "" };
    },
    [kind],
    ["firing", "incident"],
    (row) => row.alarm ?? "",
  );
  return { ...found, rows: wrongFirst(found.rows) };
}

/** The buttons of an alarm that watches something. */
export function WatchedActions({ alarm, changed, back }: { alarm: Alarm; changed: () => void; back: string }) {
  const { route } = useLocation();
  const at = { params: { path: { alarm: idOf(alarm.name) } } };
  const pause = () => api.POST("/v1/alarms/{alarm}:pause", { ...at, body: {} }).then(changed);
  const resume = () => api.POST("/v1/alarms/{alarm}:resume", { ...at, body: {} }).then(changed);
  const remove = async () => {
    if (!(await sure(words().alarm.reallyDelete(alarm.displayName || idOf(alarm.name)), words().alarm.remove))) return;
    if (!(await act(() => api.DELETE("/v1/alarms/{alarm}", at), words().alarm.removed))) return;
    changed();
    route(back);
  };
  if (!may("alarms:write")) return null;
  return (
    <div class="actions">
      {alarm.state === "PAUSED" ? (
        <Button kind="main" onPress={() => act(resume, words().alarm.resumed, pause)}>
          {words().alarm.resume}
        </Button>
      ) : (
        <Button onPress={() => act(pause, words().alarm.paused, resume)}>{words().alarm.pause}</Button>
      )}
      <a class="button" href={`/console/${alarm.name}?edit`}>
        {words().alarm.edit}
      </a>
      <Button kind="risky" onPress={remove}>
        {words().alarm.remove}
      </Button>
    </div>
  );
}

const _columns = (): Column<Standing>[] => [
  { name: words().alarm.name, width: "minmax(9rem, 2fr)", show: standingName },
  { name: words().state, width: "minmax(7rem, 1fr)", show: (row) => <State tone={standingTone(row)} word={words().watched.states[row.state ?? ""] ?? ""} /> },
  { name: words().watched.seen, width: "minmax(6rem, 1fr)", show: (row) => <When at={row.seenTime} /> },
  { name: words().watched.expected, width: "minmax(6rem, 1fr)", wide: true, show: (row) => <When at={row.expectedTime} /> },
  { name: words().watched.took, width: "6rem", wide: true, number: true, show: (row) => (row.lastDuration ? lasting(millis(row.lastDuration)) : "–") },
];

export default function Heartbeats({ params }: { params?: { id?: string } }) {
  const { query, route } = useLocation();
  const id = params?.id;
  const list = useStandings("HEARTBEAT");
  const adding = query["add"] !== undefined && !id;
  const keys = query["key"] !== undefined && !id;
  const add = may("alarms:write") && (
    <a class="button main" href={`${_HERE}?add`}>
      {words().watched.addHeartbeat}
    </a>
  );
  return (
    <>
      <Head title={words().pages.heartbeats}>
        <a class="button" href={`${_HERE}?key`}>
          {words().watched.pingKey}
        </a>
        {add}
      </Head>
      <Tabs of="/console/integrations" first={words().pages.integrations} />
      <AsOf of={list} />
      <div class={id || adding || keys ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.heartbeats}
          columns={_columns()}
          id={(row) => row.alarm ?? ""}
          href={(row) => `${_HERE}/${idOf(row.alarm)}`}
          open={id && `alarms/${id}`}
          none={words().watched.noHeartbeats}
          line="tocsin heartbeat key"
        >
          {add}
        </Listed>
        {adding && (
          <Panel title={words().watched.addHeartbeat} back={_HERE}>
            <HeartbeatForm
              done={(made) => {
                list.again();
                route(`${_HERE}/${idOf(made.name)}`);
              }}
            />
          </Panel>
        )}
        {keys && (
          <Panel title={words().watched.pingKey} back={_HERE}>
            <PingKey />
          </Panel>
        )}
        {id && <One key={id} id={id} standing={list.rows.find((row) => row.alarm === `alarms/${id}`)} changed={list.again} />}
      </div>
    </>
  );
}

function One({ id, standing, changed }: { id: string; standing: Standing | undefined; changed: () => void }) {
  const path = { alarm: id };
  const found = useLoaded((signal) => api.GET("/v1/alarms/{alarm}", { params: { path }, signal }), [id], ["firing"]);
  const pings = useLoaded((signal) => api.GET("/v1/alarms/{alarm}/pings", { params: { path, query: { pageSize: 100 } }, signal }), [id], ["firing"]);
  const alarm = found.data;
  const beat = alarm?.trigger.heartbeat;
  const lines = beat?.key ? pingLines(`${location.origin}/ping/${beat.key}`) : null;
  const refresh = () => {
    found.again();
    pings.again();
    changed();
  };
  const ping = async () => {
    const sent = await fetch(`/ping/${beat?.key ?? ""}`, { method: "POST", credentials: "same-origin" });
    if (!sent.ok) throw new ApiError("POST /ping", sent.status, await sent.text());
    refresh();
  };
  return (
    <Panel title={alarm?.displayName || (standing ? standingName(standing) : words().watched.heartbeat)} back={_HERE}>
      <Pending of={found} rows={6} />
      {alarm && (
        <>
          {standing && (
            <p class="large">
              <State tone={standingTone(standing)} word={words().watched.states[standing.state ?? ""] ?? ""} />
            </p>
          )}
          {standing?.incident && (
            <p class="said">
              <a href={`/console/${standing.incident}`}>{words().watched.incident}</a>
            </p>
          )}
          <WatchedActions alarm={alarm} changed={refresh} back={_HERE} />
          {lines && (
            <Section title={words().watched.lines}>
              {(["plain", "status", "output", "start"] as const).map((name) => (
                <div key={name}>
                  <p class="dim">{words().watched.lineOf[name]}</p>
                  <CommandLine line={lines[name]} />
                </div>
              ))}
              {may("alarms:write") && (
                <div class="actions">
                  <Button onPress={() => act(ping, words().watched.pinged)}>{words().watched.ping}</Button>
                </div>
              )}
            </Section>
          )}
          <Facts>
            <Fact name={words().alarm.when}>{beat?.every ? `${words().rule.every} ${lasting(millis(beat.every))}` : beat?.cron || beat?.onCalendar || beat?.rrule}</Fact>
            <Fact name={words().alarm.zone}>{alarm.trigger.timeZone}</Fact>
            <Fact name={words().watched.grace}>{lasting(millis(beat?.grace ?? "60s"))}</Fact>
            <Fact name={words().watched.seen}>{standing?.seenTime && <When at={standing.seenTime} full />}</Fact>
            <Fact name={words().watched.expected}>{standing?.expectedTime && <When at={standing.expectedTime} full />}</Fact>
            <Fact name={words().watched.deadline}>{standing?.deadline && <When at={standing.deadline} full />}</Fact>
            <Fact name={words().watched.slug}>{beat?.slug}</Fact>
            <Fact name={words().id}>
              <Copy text={alarm.name ?? ""} />
            </Fact>
          </Facts>
          <Section title={words().watched.pings}>
            {pings.error && !pings.data && <Failure error={pings.error} again={pings.again} />}
            {pings.data?.pings.length === 0 && <p class="dim">{words().watched.noPings}</p>}
            <ol class="timeline">{pings.data?.pings.map((item) => <Pinged key={item.name} ping={item} />)}</ol>
          </Section>
        </>
      )}
    </Panel>
  );
}

const _PING_TONES: Record<string, Tone> = { PING_KIND_SUCCESS: "good", PING_KIND_FAIL: "bad", PING_KIND_START: "busy", PING_KIND_LOG: "idle" };

function Pinged({ ping }: { ping: Ping }) {
  const kind = ping.kind ?? "";
  const about = [ping.exitStatus !== undefined ? words().watched.exit(ping.exitStatus) : "", ping.duration ? lasting(millis(ping.duration)) : "", ping.address, ping.userAgent].filter(Boolean);
  return (
    <li>
      <time dateTime={ping.receiveTime} title={absolute(ping.receiveTime ?? "")}>
        {timeOfDay(ping.receiveTime ?? "", true)}
      </time>
      <div>
        <State tone={_PING_TONES[kind] ?? "idle"} word={words().watched.kinds[kind] ?? kind} /> <span class="dim">{about.join(" · ")}</span>
        {ping.text && <pre>{ping.text}</pre>}
      </div>
    </li>
  );
}

/** The key by which all heartbeats are pinged by their slugs. */
function PingKey() {
  const found = useLoaded(async (signal) => {
    try {
      return await api.GET("/v1/pingKey", { signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return { key: "", escalationPolicy: "" };
      throw error;
    }
  }, []);
  const put = (rotate: boolean, policy?: string) =>
    act(async () => {
      const now = found.data;
      const body = { key: rotate ? "" : (now?.key ?? ""), escalationPolicy: policy ?? now?.escalationPolicy ?? "" };
      const next = await api.PUT("/v1/pingKey", { params: { query: { rotate } }, body });
      found.put(() => ({ key: next.key ?? "", escalationPolicy: next.escalationPolicy ?? "" }));
    }, words().watched.keySaved);
  const rotate = async () => (await sure(words().watched.reallyRotate, words().integration.rotate)) && put(true);
  const key = found.data?.key;
  return (
    <>
      <p>{words().watched.pingKeyNote}</p>
      {found.error && !found.data && <Failure error={found.error} again={found.again} />}
      {key && <CommandLine line={`curl -fsS -m 10 --retry 5 ${location.origin}/ping/${key}/nightly-backup?create=1`} />}
      {found.data && may("alarms:write") && (
        <>
          <PickPolicy value={found.data.escalationPolicy ?? ""} change={(policy) => void put(false, policy)} none={words().watched.makesNone} />
          <div class="actions">
            {key ? <Button onPress={rotate}>{words().integration.rotate}</Button> : <Button kind="main" onPress={() => put(false)}>{words().watched.makeKey}</Button>}
          </div>
        </>
      )}
    </>
  );
}

interface Draft {
  displayName: string;
  slug: string;
  rule: "every" | "cron";
  every: string;
  cron: string;
  timeZone: string;
  grace: string;
  escalationPolicy: string;
}

function HeartbeatForm({ done }: { done: (alarm: Alarm) => void }) {
  const first: Draft = { displayName: "", slug: "", rule: "cron", every: "3600s", cron: "0 3 * * *", timeZone: ownZone, grace: "3600s", escalationPolicy: "" };
  const save = async (draft: Draft) => {
    const rule = draft.rule === "every" ? { every: draft.every } : { cron: draft.cron };
    const heartbeat = { ...rule, grace: draft.grace, ...(draft.slug ? { slug: draft.slug } : {}) };
    const notify = { escalationPolicy: draft.escalationPolicy, subject: words().watched.lateSubject(draft.displayName), text: words().watched.lateText };
    done(await api.POST("/v1/alarms", { body: { displayName: draft.displayName, trigger: { heartbeat, timeZone: draft.timeZone }, action: { notify } } }));
  };
  return (
    <Form id="heartbeat" first={first} send={save} name={words().watched.addHeartbeat}>
      {({ draft, of, text }) => (
        <>
          {text("displayName", words().alarm.name, { required: true, max: 200, first: true })}
          <Choice
            label={words().watched.rule}
            of={[
              ["cron", words().watched.byCron],
              ["every", words().watched.byEvery],
            ]}
            {...of("rule")}
          />
          {draft.rule === "every" ? (
            <Duration label={words().watched.byEvery} {...of("every", "heartbeat.every")} />
          ) : (
            <>
              {text("cron", words().rule.kinds.cron, { required: true, path: "heartbeat.cron" })}
              <Zone {...of("timeZone")} />
            </>
          )}
          <Duration label={words().watched.grace} {...of("grace", "heartbeat.grace")} />
          <PickPolicy required {...of("escalationPolicy")} none={words().fields.choose} />
          {text("slug", words().watched.slug, { hint: words().watched.slugHint, placeholder: "nightly-backup", path: "heartbeat.slug" })}
        </>
      )}
    </Form>
  );
}
