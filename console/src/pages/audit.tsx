/** Who did what, from where; and what looked like an attack. */

import { useLocation } from "../state/location";
import { api, idOf, type Schemas } from "../api/client";
import { AsOf, CommandLine, Copy, Fact, Facts, Failure, Head, Pending, Section } from "../parts/basics";
import { Filter, filterOf } from "../parts/filter";
import { Listed, type Column } from "../parts/list";
import { State, type Tone } from "../parts/mark";
import { Panel } from "../parts/panel";
import { When } from "../parts/when";
import { useLoaded } from "../state/loaded";
import { useParts } from "../state/pages";
import { who } from "../state/who";
import { may } from "../state/session";
import { words } from "../words";

type Entry = Schemas["auth.v1.AuditLog"];

const _tone = (entry: Entry): Tone => (entry.outcome === "OK" ? "good" : entry.outcome === "UNKNOWN" ? "idle" : "warn");
const _word = (entry: Entry) => (entry.outcome === "OK" ? words().audit.done : (entry.outcome ?? ""));

const _columns = (): Column<Entry>[] => [
  { name: words().audit.what, width: "minmax(12rem, 2fr)", show: (row) => row.method?.replace("/", " ") ?? "" },
  { name: words().state, width: "minmax(7rem, 1fr)", show: (row) => <State tone={_tone(row)} word={_word(row)} /> },
  { name: words().audit.when, width: "minmax(6rem, 1fr)", show: (row) => <When at={row.time} /> },
  { name: words().audit.who, width: "minmax(8rem, 1fr)", wide: true, show: (row) => who(row.subject) },
  { name: words().audit.resource, width: "minmax(8rem, 1fr)", wide: true, show: (row) => row.resource ?? "" },
  { name: words().audit.from, width: "minmax(6rem, 1fr)", wide: true, show: (row) => row.clientAddress ?? "" },
];

export default function Audit({ params }: { params?: { id?: string } }) {
  const { query } = useLocation();
  const filter = filterOf(query);
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/auditLogs", { params: { query: { pageSize: 200, pageToken, filter } }, signal });
      return { rows: found.auditLogs, next: found.nextPageToken ?? "" };
    },
    [filter],
    [],
  );
  const id = params?.id;
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  const open = list.rows.find((row) => idOf(row.name) === id);
  return (
    <>
      <Head title={words().pages.audit} />
      {may("alerts:read") && <Alerts />}
      <Filter offers={[[words().audit.refused, 'outcome="PERMISSION_DENIED"']]} example='subject="users/…" AND time>"2026-01-01T00:00:00Z"' />
      <AsOf of={list} />
      <div class={id ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.audit}
          columns={_columns()}
          href={(row) => `/console/audit/${idOf(row.name)}${tail}`}
          open={open?.name}
          filter={filter}
          none={words().audit.none}
          line="tocsin audit-log verify"
        />
        {id && <One key={id} id={id} back={`/console/audit${tail}`} />}
      </div>
    </>
  );
}

function One({ id, back }: { id: string; back: string }) {
  const found = useLoaded((signal) => api.GET("/v1/auditLogs/{auditLog}", { params: { path: { auditLog: id } }, signal }), [id]);
  const entry = found.data;
  return (
    <Panel title={entry?.method?.replace("/", " ") ?? words().pages.audit} back={back}>
      <Pending of={found} rows={5} />
      {entry && (
        <>
          <p class="large">
            <State tone={_tone(entry)} word={_word(entry)} />
          </p>
          <Facts>
            <Fact name={words().audit.when}>
              <When at={entry.time} full />
            </Fact>
            <Fact name={words().audit.who}>{entry.subject && <Copy text={entry.subject} shown={who(entry.subject)} />}</Fact>
            <Fact name={words().audit.resource}>{entry.resource && <Copy text={entry.resource} />}</Fact>
            <Fact name={words().audit.from}>{entry.clientAddress}</Fact>
            <Fact name={words().audit.program}>{entry.userAgent}</Fact>
            <Fact name={words().audit.detail}>{entry.detail}</Fact>
            <Fact name={words().audit.session}>{entry.session}</Fact>
            <Fact name={words().trace}>{entry.traceId && <Copy text={entry.traceId} shown={entry.traceId.slice(0, 16)} />}</Fact>
            <Fact name={words().audit.hash}>{entry.hash && <Copy text={entry.hash} shown={entry.hash.slice(0, 16)} />}</Fact>
          </Facts>
          <CommandLine line="tocsin audit-log verify" />
        </>
      )}
    </Panel>
  );
}

/** What looked like an attack, the worst and latest first; nothing is one quiet line. */
function Alerts() {
  const found = useLoaded((signal) => api.GET("/v1/security/alerts", { params: { query: { pageSize: 5 } }, signal }), [], ["alert"]);
  if (!found.data) return found.error ? <Failure error={found.error} again={found.again} /> : null;
  if (found.data.alerts.length === 0) return <p class="dim">{words().audit.noAlerts}</p>;
  const tones: Record<string, Tone> = { HIGH: "bad", MEDIUM: "warn", LOW: "idle" };
  return (
    <Section title={words().audit.alerts}>
      <ul class="plain">
        {found.data.alerts.map((alert) => (
          <li key={alert.name}>
            <State tone={tones[alert.severity ?? ""] ?? "warn"} word={words().audit.kinds[alert.kind ?? ""] ?? alert.kind ?? ""} />
            <span class="grow">{alert.latest || alert.detail || who(alert.subject)}</span>
            <span class="dim">
              {words().audit.times(Number(alert.count ?? 1))} · <When at={alert.lastTime} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
