/** Alarms: find one, look at it, make one. */

import { useLocation } from "../state/location";
import { api } from "../api/client";
import { AlarmForm } from "../parts/alarm-form";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Head, Pending, Section } from "../parts/basics";
import { Filter, filterOf } from "../parts/filter";
import { LedgerBar } from "../parts/ledger";
import { Listed, type Column } from "../parts/list";
import { State } from "../parts/mark";
import { Panel } from "../parts/panel";
import { Occurrences } from "../parts/preview";
import { When } from "../parts/when";
import { act } from "../state/act";
import { actionOf, alarmTone, nameOf, ruleOf, type Alarm } from "../state/alarms";
import { useLoaded } from "../state/loaded";
import { useParts } from "../state/pages";
import { quoted } from "../state/people";
import { may } from "../state/session";
import { words } from "../words";

const _columns = (): Column<Alarm>[] => [
  { name: words().alarm.name, width: "minmax(10rem, 2fr)", show: nameOf },
  { name: words().state, width: "minmax(7rem, 1fr)", show: (row) => <State tone={alarmTone(row)} word={_stateWord(row)} /> },
  { name: words().alarm.next, width: "minmax(6rem, 1fr)", show: (row) => <When at={row.nextFireTime} /> },
  { name: words().alarm.rule, width: "minmax(8rem, 1.5fr)", wide: true, show: (row) => ruleOf(row.trigger) },
  { name: words().alarm.does, width: "minmax(8rem, 1.5fr)", wide: true, show: (row) => actionOf(row.action) },
  { name: words().alarm.labels, width: "minmax(6rem, 1fr)", wide: true, show: (row) => _labels(row) },
];

function _labels(alarm: Alarm): string {
  return Object.entries(alarm.labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

function _stateWord(alarm: Alarm): string {
  if (alarm.damaged?.length) return words().alarm.damaged;
  if (alarm.signal?.status === "RAISED") return words().alarm.raised;
  return words().alarm.states[alarm.state ?? "ACTIVE"] ?? "";
}

export default function Alarms({ params }: { params?: { id?: string } }) {
  const { query, route } = useLocation();
  const filter = filterOf(query);
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/alarms", { params: { query: { pageSize: 200, pageToken, filter } }, signal });
      return { rows: found.alarms, next: found.nextPageToken ?? "" };
    },
    [filter],
    ["firing"],
  );
  const id = params?.id;
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  const back = `/console/alarms${tail}`;
  return (
    <>
      <Head title={words().pages.alarms}>
        {may("alarms:write") && (
          <a class="button main" href="/console/alarms/new">
            {words().alarm.add}
          </a>
        )}
      </Head>
      <Filter
        offers={[
          [words().alarm.states["ACTIVE"] ?? "", 'state="ACTIVE"'],
          [words().alarm.states["PAUSED"] ?? "", 'state="PAUSED"'],
        ]}
        example='labels.team="core" AND display_name="stand-up"'
        meant={(text) => (/[=<>]/.test(text) || !text ? text : `text=${quoted(text)}`)}
      />
      {filter && may("alarms:write") && <AllOfThem filter={filter} changed={list.again} />}
      <AsOf of={list} />
      <div class={id ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.alarms}
          columns={_columns()}
          href={(row) => `/console/${row.name}${tail}`}
          open={id && `alarms/${id}`}
          filter={filter}
          none={words().alarm.none}
          line='tocsin alarm add --at "in 10s" --to ann@example.com --subject Tea --text "Ring ring."'
        >
          {may("alarms:write") && (
            <a class="button main" href="/console/alarms/new">
              {words().alarm.add}
            </a>
          )}
        </Listed>
        {id === "new" && (
          <Panel title={words().alarm.add} back={back}>
            <AlarmForm
              done={(alarm) => {
                list.again();
                route(`/console/${alarm.name}`);
              }}
            />
          </Panel>
        )}
        {id && id !== "new" && <One key={id} id={id} back={back} changed={list.again} />}
      </div>
    </>
  );
}

interface Part {
  count: number;
  more?: boolean | undefined;
}

/** What is done with every alarm of a filter; without `force` it only counts them. */
const _ALL: Record<"pause" | "resume", (filter: string, force: boolean) => Promise<Part>> = {
  pause: async (filter, force) => {
    const { pauseCount, more } = await api.POST("/v1/alarms:pause", { body: { filter, force } });
    return { count: Number(pauseCount ?? 0), more };
  },
  resume: async (filter, force) => {
    const { resumeCount, more } = await api.POST("/v1/alarms:resume", { body: { filter, force } });
    return { count: Number(resumeCount ?? 0), more };
  },
};

/** Pauses or resumes every alarm of a filter, such as those of a service in maintenance: says how many, and asks. */
function AllOfThem({ filter, changed }: { filter: string; changed: () => void }) {
  const all = (word: "pause" | "resume") => {
    let said = "";
    const run = async () => {
      const { count } = await _ALL[word](filter, false);
      said = words().alarm.noneOfAll[word];
      if (count === 0) return;
      said = "";
      if (!(await sure(words().alarm.reallyAll[word](count), words().alarm.all[word]))) return;
      let done = 0;
      for (let part: Part = { count: 1, more: true }; part.more && part.count > 0; done += part.count) part = await _ALL[word](filter, true);
      said = words().alarm.allDone[word](done);
      changed();
    };
    return act(run, () => said);
  };
  return (
    <div class="actions">
      {(["pause", "resume"] as const).map((word) => (
        <Button key={word} onPress={() => all(word)}>
          {words().alarm.all[word]}
        </Button>
      ))}
    </div>
  );
}

/** Labels, each of which leads to the alarms that have it. */
function Labels({ alarm }: { alarm: Alarm }) {
  const filter = (key: string, value: string) => `labels.${/^[\w.-]+$/.test(key) ? key : quoted(key)}=${quoted(value)}`;
  return (
    <>
      {Object.entries(alarm.labels ?? {}).map(([key, value]) => (
        <a key={key} href={`/console/alarms?filter=${encodeURIComponent(filter(key, value))}`}>
          {key}={value}{" "}
        </a>
      ))}
    </>
  );
}

function One({ id, back, changed }: { id: string; back: string; changed: () => void }) {
  const { query, route, path } = useLocation();
  const at = { params: { path: { alarm: id } } };
  const found = useLoaded((signal) => api.GET("/v1/alarms/{alarm}", { ...at, signal }), [id], ["firing"]);
  const ledger = useLoaded(
    (signal) => api.GET("/v1/firings", { params: { query: { pageSize: 60, filter: `alarm="alarms/${id}"` } }, signal }),
    [id],
    ["firing"],
  );
  const alarm = found.data;
  const after = (call: Promise<Alarm>) => async () => {
    const now = await call;
    found.put(() => now);
    changed();
  };
  const pause = () => after(api.POST("/v1/alarms/{alarm}:pause", { ...at, body: {} }))();
  const resume = () => after(api.POST("/v1/alarms/{alarm}:resume", { ...at, body: {} }))();
  const fire = () => api.POST("/v1/alarms/{alarm}:fire", { ...at, body: {} });
  const remove = async () => {
    if (!(await sure(words().alarm.reallyDelete(nameOf(alarm as Alarm)), words().alarm.remove))) return;
    const gone = await act(() => api.DELETE("/v1/alarms/{alarm}", at), words().alarm.removed);
    if (!gone) return;
    changed();
    route(back);
  };
  if (alarm && query["edit"] !== undefined) {
    return (
      <Panel title={words().alarm.edit} back={path}>
        <AlarmForm
          alarm={alarm}
          done={() => {
            found.again();
            changed();
            route(path);
          }}
        />
      </Panel>
    );
  }
  return (
    <Panel title={alarm ? nameOf(alarm) : words().alarm.one} back={back}>
      <Pending of={found} rows={6} />
      {alarm && (
        <>
          <p class="large">
            <State tone={alarmTone(alarm)} word={_stateWord(alarm)} />
          </p>
          {alarm.pauseReason && alarm.pauseReason !== "REQUESTED" && <p class="said">{words().alarm.pauseReasons[alarm.pauseReason] ?? alarm.pauseReason}</p>}
          {alarm.damaged?.length ? <p class="said">{words().alarm.damagedFields(alarm.damaged.join(", "))}</p> : null}
          {may("alarms:write") && (
            <div class="actions">
              <Button onPress={() => act(fire, words().alarm.fired)}>{words().alarm.fire}</Button>
              {alarm.state === "PAUSED" ? (
                <Button kind="main" onPress={() => act(resume, words().alarm.resumed, pause)}>
                  {words().alarm.resume}
                </Button>
              ) : (
                alarm.state === "ACTIVE" && <Button onPress={() => act(pause, words().alarm.paused, resume)}>{words().alarm.pause}</Button>
              )}
              <a class="button" href={`${path}?edit`}>
                {words().alarm.edit}
              </a>
              <Button kind="risky" onPress={remove}>
                {words().alarm.remove}
              </Button>
            </div>
          )}
          {ledger.data && ledger.data.firings.length > 0 && (
            <Section title={words().alarm.last}>
              <LedgerBar firings={ledger.data.firings} />
            </Section>
          )}
          <Facts>
            <Fact name={words().alarm.rule}>{ruleOf(alarm.trigger)}</Fact>
            <Fact name={words().alarm.zone}>{alarm.trigger?.timeZone}</Fact>
            <Fact name={words().alarm.next}>{alarm.nextFireTime && <When at={alarm.nextFireTime} full />}</Fact>
            <Fact name={words().alarm.does}>{actionOf(alarm.action)}</Fact>
            <Fact name={words().alarm.labels}>{_labels(alarm) && <Labels alarm={alarm} />}</Fact>
            <Fact name={words().alarm.made}>
              <When at={alarm.createTime} />
            </Fact>
            <Fact name={words().id}>
              <Copy text={alarm.name ?? ""} />
            </Fact>
          </Facts>
          {alarm.state === "ACTIVE" && alarm.nextFireTime && (
            <Section title={words().alarm.dues}>
              <Occurrences trigger={alarm.trigger} />
            </Section>
          )}
          <Section title={words().alarm.json}>
            <pre>{JSON.stringify({ trigger: alarm.trigger, action: alarm.action, retry: alarm.retry }, null, 2)}</pre>
          </Section>
          <CommandLine line={`tocsin alarm show ${alarm.name}`} />
        </>
      )}
    </Panel>
  );
}
