/** The ledger: every occurrence, how it ended, and why. */

import { useLocation } from "../state/location";
import { api } from "../api/client";
import { AsOf, Button, Copy, Fact, Facts, Head, Pending, Section } from "../parts/basics";
import { Filter, filterOf } from "../parts/filter";
import { Listed, type Column } from "../parts/list";
import { State } from "../parts/mark";
import { Panel } from "../parts/panel";
import { When, absolute } from "../parts/when";
import { lasting } from "../state/lasting";
import { act } from "../state/act";
import { deliveryTone, firingTone, firingWord, lateness, type Firing } from "../state/alarms";
import { useLoaded } from "../state/loaded";
import { alarmName } from "../state/names";
import { useParts } from "../state/pages";
import { may } from "../state/session";
import { words } from "../words";

const _columns = (): Column<Firing>[] => [
  { name: words().firing.due, width: "minmax(9rem, 1.2fr)", narrow: "5.5rem", show: (row) => <time title={absolute(row.dueTime ?? "")}>{<When at={row.dueTime} />}</time> },
  { name: words().firing.outcome, width: "minmax(8rem, 1fr)", show: (row) => <State tone={firingTone(row)} word={firingWord(row)} /> },
  { name: words().firing.lateness, width: "6rem", wide: true, number: true, show: (row) => _late(row) },
  { name: words().alarm.one, width: "minmax(10rem, 2fr)", narrow: "minmax(0, 2fr)", show: (row) => alarmName(row.alarm) },
  { name: words().firing.origin, width: "7rem", wide: true, show: (row) => words().firing.origins[row.origin ?? "SCHEDULE"] ?? "" },
  { name: words().firing.attempts, width: "6rem", wide: true, number: true, show: (row) => row.attempts ?? 0 },
  { name: words().firing.why, width: "minmax(6rem, 2fr)", wide: true, show: (row) => row.error || _why(row) },
];

const _why = ({ reason = "" }: Firing) => words().firing.reasons[reason] ?? reason;

function _late(row: Firing): string {
  const late = lateness(row);
  return late === undefined ? "–" : lasting(late);
}

export default function Firings({ params }: { params?: { id?: string } }) {
  const { query } = useLocation();
  const filter = filterOf(query);
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/firings", { params: { query: { pageSize: 100, pageToken, filter } }, signal });
      return { rows: found.firings, next: found.nextPageToken ?? "" };
    },
    [filter],
    ["firing"],
  );
  const id = params?.id;
  return (
    <>
      <Head title={words().pages.firings} note={words().firing.note} />
      <Filter
        offers={[
          [words().firing.states.DEAD, 'state="DEAD"'],
          [words().firing.outcomes["LATE"] ?? "", 'outcome="LATE"'],
          [words().firing.states.RETRYING, 'state="RETRYING"'],
        ]}
        example='alarm="alarms/…" AND due_time>="2026-01-01T00:00:00Z"'
      />
      <AsOf of={list} />
      <div class={id ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.firings}
          columns={_columns()}
          href={(row) => `/console/${row.name}${filter ? `?filter=${encodeURIComponent(filter)}` : ""}`}
          open={id && `firings/${id}`}
          filter={filter}
          none={words().firing.none}
          line="tocsin watch"
        />
        {id && <One key={id} id={id} back={`/console/firings${filter ? `?filter=${encodeURIComponent(filter)}` : ""}`} />}
      </div>
    </>
  );
}

function One({ id, back }: { id: string; back: string }) {
  const found = useLoaded((signal) => api.GET("/v1/firings/{firing}", { params: { path: { firing: id } }, signal }), [id], ["firing"]);
  const firing = found.data;
  const name = `firings/${id}`;
  const replay = () =>
    act(async () => {
      await api.POST("/v1/firings/{firing}:replay", { params: { path: { firing: id } }, body: {} });
      found.again();
    }, words().firing.replayed);
  return (
    <Panel title={words().firing.one} back={back}>
      <Pending of={found} rows={5} />
      {firing && (
        <>
          <p class="large">
            <State tone={firingTone(firing)} word={firingWord(firing)} />
          </p>
          {firing.error && <p class="said">{firing.error}</p>}
          <Facts>
            <Fact name={words().firing.due}>
              <When at={firing.dueTime} full />
            </Fact>
            <Fact name={words().firing.fired}>{firing.fireTime && <When at={firing.fireTime} full />}</Fact>
            <Fact name={words().firing.lateness}>{_late(firing)}</Fact>
            <Fact name={words().firing.why}>{_why(firing)}</Fact>
            <Fact name={words().alarm.one}>{firing.alarm && <a href={`/console/${firing.alarm}`}>{alarmName(firing.alarm)}</a>}</Fact>
            <Fact name={words().firing.origin}>{words().firing.origins[firing.origin ?? "SCHEDULE"]}</Fact>
            <Fact name={words().firing.attempts}>{firing.attempts ?? 0}</Fact>
            <Fact name={words().firing.again}>{firing.nextAttemptTime && <When at={firing.nextAttemptTime} full />}</Fact>
            <Fact name={words().trace}>{firing.traceId && <Copy text={firing.traceId} shown={firing.traceId.slice(0, 16)} />}</Fact>
            <Fact name={words().id}>
              <Copy text={name} shown={name} />
            </Fact>
          </Facts>
          {firing.state === "DEAD" && may("firings:write") && (
            <div class="actions">
              <Button kind="main" onPress={replay}>
                {words().firing.replay}
              </Button>
            </div>
          )}
          {may("deliveries:read") && <Messages firing={name} />}
          {firing.result && (
            <Section title={words().firing.result}>
              <pre>{JSON.stringify(firing.result, null, 2)}</pre>
            </Section>
          )}
          {firing.context && (
            <Section title={words().firing.context}>
              <pre>{JSON.stringify(firing.context, null, 2)}</pre>
            </Section>
          )}
        </>
      )}
    </Panel>
  );
}

/** What became of the messages of a firing. */
function Messages({ firing }: { firing: string }) {
  const found = useLoaded(
    (signal) => api.GET("/v1/deliveries", { params: { query: { pageSize: 50, filter: `firing="${firing}"` } }, signal }),
    [firing],
    ["delivery"],
  );
  if (!found.data?.deliveries.length) return null;
  return (
    <Section title={words().pages.deliveries}>
      <ul class="plain">
        {found.data.deliveries.map((delivery) => (
          <li key={delivery.name}>
            <State tone={deliveryTone(delivery)} word={words().delivery.states[delivery.state ?? ""] ?? ""} />
            <a href={`/console/${delivery.name}`}>{delivery.to || delivery.recipient}</a>
          </li>
        ))}
      </ul>
    </Section>
  );
}
