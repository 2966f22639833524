/** Silences: incidents that nobody is told about for a time. */

import { useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Head, Pending, Section } from "../parts/basics";
import { Area, Text } from "../parts/fields";
import { FormOf } from "../parts/form";
import { HoursField } from "../parts/hours";
import { Listed, type Column } from "../parts/list";
import { State } from "../parts/mark";
import { localTime } from "../parts/override-form";
import { Panel } from "../parts/panel";
import { Tabs } from "../parts/tabs";
import { When, brief } from "../parts/when";
import { act } from "../state/act";
import type { Incident } from "../state/alarms";
import { serverNow, zone } from "../state/clock";
import type { Hours } from "../state/hours";
import { useKeptParts } from "../state/kept";
import { lasting } from "../state/lasting";
import { useLoaded } from "../state/loaded";
import { useLocation } from "../state/location";
import { notify } from "../state/notices";
import { useParts } from "../state/pages";
import { may } from "../state/session";
import { likeOf, linesOf, matchersOf, silenceTone, windowOf, windowText, type Silence } from "../state/silences";
import { who } from "../state/who";
import { words } from "../words";

const _HERE = "/console/silences";
const _HOUR = 3_600_000;

const _word = (silence: Silence) => words().silence.states[silence.state ?? ""] ?? "";

const _columns = (): Column<Silence>[] => [
  { name: words().silence.which, width: "minmax(10rem, 2fr)", show: (row) => linesOf(row.matchers).replaceAll("\n", " · ") },
  { name: words().state, width: "minmax(6rem, 1fr)", show: (row) => <State tone={silenceTone(row)} word={_word(row)} /> },
  { name: words().duty.until, width: "minmax(6rem, 1fr)", show: (row) => <When at={row.windowEndTime ?? row.endTime} /> },
  { name: words().silence.why, width: "minmax(8rem, 2fr)", wide: true, show: (row) => row.comment },
  { name: words().silence.by, width: "minmax(6rem, 1fr)", wide: true, show: (row) => who(row.author) },
];

export default function Silences({ params }: { params?: { id?: string } }) {
  const { query, route } = useLocation();
  const id = params?.id;
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/silences", { params: { query: { pageSize: 200, pageToken } }, signal });
      return { rows: found.silences, next: found.nextPageToken ?? "" };
    },
    [],
    ["incident"],
  );
  const like = id ? undefined : query["add"];
  const back = like ? `/console/incidents/${like}` : _HERE;
  const add = may("incidents:write") && (
    <a class="button main" href={`${_HERE}?add`}>
      {words().silence.add}
    </a>
  );
  return (
    <>
      <Head title={words().pages.silences}>{add}</Head>
      <Tabs of="/console/incidents" first={words().pages.incidents} />
      <AsOf of={list} />
      <div class={id || like !== undefined ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.silences}
          columns={_columns()}
          href={(row) => `/console/${row.name}`}
          open={id && `silences/${id}`}
          none={words().silence.none}
          line='tocsin silence add --match "host=db-*" --for 2h --comment "Disks are replaced"'
        >
          {add}
        </Listed>
        {like !== undefined && (
          <Panel title={words().silence.add} back={back}>
            <New
              key={like}
              like={like}
              done={() => {
                list.again();
                route(back);
              }}
            />
          </Panel>
        )}
        {id && <One key={id} id={id} changed={list.again} />}
      </div>
    </>
  );
}

const _expire = (id: string) => api.POST("/v1/silences/{silence}:expire", { params: { path: { silence: id } }, body: {} });

/** A silence of what is like an incident, once that is known; of anything without one. */
function New({ like, done }: { like: string; done: () => void }) {
  const found = useLoaded(async (signal) => (like ? api.GET("/v1/incidents/{incident}", { params: { path: { incident: like } }, signal }) : null), [like]);
  return found.data === undefined ? <Pending of={found} rows={4} /> : <SilenceForm incident={found.data} done={done} />;
}

function SilenceForm({ incident, done }: { incident: Incident | null; done: () => void }) {
  const [now] = useState(serverNow);
  const first = { matchers: incident ? likeOf(incident) : "", start: _iso(now), end: _iso(now + _HOUR), comment: incident?.title ?? "", hours: [] as Hours[] };
  const kept = useKeptParts(`silences/${incident?.name ?? ""}`, first);
  const [draft, change] = kept;
  const matchers = matchersOf(draft.matchers);
  const [weekly] = draft.hours;
  const begins = Math.max(Date.parse(draft.start), now);
  const save = async () => {
    const made = await api.POST("/v1/silences", {
      body: {
        matchers: matchers ?? [],
        comment: draft.comment,
        ...(weekly ? { recurrence: windowOf(weekly, zone.value) } : { endTime: draft.end, ...(begins > serverNow() ? { startTime: draft.start } : {}) }),
      },
    });
    const undo = () => act(() => _expire(idOf(made.name)).then(done), words().silence.ended);
    notify({ text: weekly ? words().silence.madeWeekly : words().silence.made(brief(draft.end)), undo });
    done();
  };
  return (
    <FormOf kept={kept} send={save} name={words().silence.add} off={!matchers?.length} at={["matchers"]}>
      {({ of, text, error }) => (
        <>
          <Area label={words().silence.which} hint={words().silence.whichHint} rows={4} code {...of("matchers")} error={matchers ? error?.within("matchers") : words().silence.notALine} />
          {!weekly && (
            <>
              <div class="choice">
                {[1, 4, 24].map((hours) => (
                  <button key={hours} type="button" class="chip" aria-pressed={Date.parse(draft.end) - begins === hours * _HOUR} onClick={() => change({ end: _iso(begins + hours * _HOUR) })}>
                    {lasting(hours * _HOUR)}
                  </button>
                ))}
              </div>
              <div class="pair">
                <Text label={words().duty.from} {...localTime(of("start", "startTime"))} />
                <Text label={words().duty.to} {...localTime(of("end", "endTime"))} hint={words().duty.timesIn(zone.value)} />
              </div>
            </>
          )}
          <HoursField {...of("hours", "recurrence")} most={1} name={words().silence.weekly} none={words().silence.once} add={words().silence.addWeekly} />
          {weekly && <small class="dim">{words().silence.weeklyHint(zone.value)}</small>}
          {text("comment", words().silence.why, { required: true, max: 500 })}
        </>
      )}
    </FormOf>
  );
}

const _iso = (instant: number) => new Date(instant).toISOString();

function One({ id, changed }: { id: string; changed: () => void }) {
  const found = useLoaded((signal) => api.GET("/v1/silences/{silence}", { params: { path: { silence: id } }, signal }), [id], ["incident"]);
  const silence = found.data;
  const end = async () => {
    if (!(await sure(words().silence.reallyEnd, words().silence.end))) return;
    await act(async () => {
      const now = await _expire(id);
      found.put(() => now);
      changed();
    }, words().silence.ended);
  };
  return (
    <Panel title={silence?.comment ?? words().silence.one} back={_HERE}>
      <Pending of={found} rows={5} />
      {silence && (
        <>
          <p class="large">
            <State tone={silenceTone(silence)} word={_word(silence)} />
          </p>
          {silence.state !== "EXPIRED" && may("incidents:write") && (
            <div class="actions">
              <Button onPress={end}>{words().silence.end}</Button>
            </div>
          )}
          <Section title={words().silence.which}>
            <pre>{linesOf(silence.matchers)}</pre>
          </Section>
          <Facts>
            <Fact name={words().duty.from}>
              <When at={silence.startTime} full />
            </Fact>
            <Fact name={words().duty.until}>{silence.endTime && <When at={silence.endTime} full />}</Fact>
            <Fact name={words().silence.weekly}>{silence.recurrence && <code>{windowText(silence.recurrence)}</code>}</Fact>
            <Fact name={words().silence.window}>{silence.windowEndTime && <When at={silence.windowEndTime} full />}</Fact>
            <Fact name={words().silence.nextWindow}>{silence.nextWindowTime && <When at={silence.nextWindowTime} full />}</Fact>
            <Fact name={words().silence.by}>{who(silence.author)}</Fact>
            <Fact name={words().id}>
              <Copy text={silence.name ?? ""} />
            </Fact>
          </Facts>
          <CommandLine line={`tocsin silence expire ${id}`} />
        </>
      )}
    </Panel>
  );
}
