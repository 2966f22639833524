/** Deliveries: what went to whom, and why something did not. */

import { useLocation } from "../state/location";
import { api } from "../api/client";
import { AsOf, Button, Copy, Fact, Facts, Head, Pending, Section } from "../parts/basics";
import { Filter, filterOf } from "../parts/filter";
import { Listed, type Column } from "../parts/list";
import { State } from "../parts/mark";
import { Panel } from "../parts/panel";
import { When, absolute, timeOfDay } from "../parts/when";
import { act } from "../state/act";
import { deliveryTone, type Delivery } from "../state/alarms";
import { useLoaded } from "../state/loaded";
import { alarmName } from "../state/names";
import { quoted } from "../state/people";
import { useParts } from "../state/pages";
import { may } from "../state/session";
import { words } from "../words";

/** Why it is not there: the reason, or, where a far end did not take it, what that said last. */
function _why({ reason, state = "ACCEPTED", timeline }: Delivery): string {
  if (reason) return words().delivery.reasons[reason] ?? reason;
  return ["SENT", "DELIVERED"].includes(state) ? "" : timeline?.at(-1)?.detail ?? "";
}

const _word = (row: Delivery) => words().delivery.states[row.state ?? ""] ?? "";

const _columns = (): Column<Delivery>[] => [
  { name: words().delivery.to, width: "minmax(10rem, 2fr)", show: (row) => row.to || row.recipient?.replace("recipients/", "") },
  { name: words().state, width: "minmax(8rem, 1fr)", show: (row) => <State tone={deliveryTone(row)} word={_word(row)} /> },
  { name: words().delivery.changed, width: "minmax(6rem, 1fr)", show: (row) => <When at={row.updateTime ?? row.createTime} /> },
  { name: words().delivery.subject, width: "minmax(10rem, 2fr)", wide: true, show: (row) => row.subject ?? "" },
  { name: words().delivery.channel, width: "6rem", wide: true, show: (row) => row.channel ?? "" },
  { name: words().delivery.why, width: "minmax(6rem, 1fr)", wide: true, show: _why },
];

export default function Deliveries({ params }: { params?: { id?: string } }) {
  const { query } = useLocation();
  const filter = filterOf(query);
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/deliveries", { params: { query: { pageSize: 100, pageToken, filter } }, signal });
      return { rows: found.deliveries, next: found.nextPageToken ?? "" };
    },
    [filter],
    ["delivery"],
  );
  const id = params?.id;
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  return (
    <>
      <Head title={words().pages.deliveries} />
      <Filter
        offers={[
          [words().delivery.states["DEAD"] ?? "", 'state="DEAD"'],
          [words().delivery.states["SUPPRESSED"] ?? "", 'state="SUPPRESSED"'],
          [words().delivery.states["OUTCOME_UNKNOWN"] ?? "", 'state="OUTCOME_UNKNOWN"'],
        ]}
        example='to="ann@example.com" AND channel="email"'
        meant={(text) => (text.includes("=") || !text ? text : `to=${quoted(text)}`)}
      />
      <AsOf of={list} />
      <div class={id ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.deliveries}
          columns={_columns()}
          href={(row) => `/console/${row.name}${tail}`}
          open={id && `deliveries/${id}`}
          filter={filter}
          none={words().delivery.none}
          line='tocsin notify --to ann@example.com --subject Hello --text "It works."'
        />
        {id && <One key={id} id={id} back={`/console/deliveries${tail}`} />}
      </div>
    </>
  );
}

function One({ id, back }: { id: string; back: string }) {
  const at = { params: { path: { delivery: id } } };
  const found = useLoaded((signal) => api.GET("/v1/deliveries/{delivery}", { ...at, signal }), [id], ["delivery"]);
  const delivery = found.data;
  const retry = async () => {
    await api.POST("/v1/deliveries/{delivery}:retry", { ...at, body: {} });
    found.again();
  };
  return (
    <Panel title={delivery?.subject || words().delivery.one} back={back}>
      <Pending of={found} rows={5} />
      {delivery && (
        <>
          <p class="large">
            <State tone={deliveryTone(delivery)} word={_word(delivery)} />
          </p>
          {_why(delivery) && <p class="said">{_why(delivery)}</p>}
          {(delivery.state === "DEAD" || delivery.state === "OUTCOME_UNKNOWN") && may("deliveries:write") && (
            <div class="actions">
              <Button kind="main" onPress={() => act(retry, words().delivery.retried)}>
                {words().delivery.retry}
              </Button>
            </div>
          )}
          <Facts>
            <Fact name={words().delivery.to}>{delivery.recipient ? <a href={`/console/${delivery.recipient}`}>{delivery.to || delivery.recipient}</a> : delivery.to}</Fact>
            <Fact name={words().delivery.channel}>{delivery.channel}</Fact>
            <Fact name={words().delivery.heldUntil}>{delivery.holdTime && <When at={delivery.holdTime} full />}</Fact>
            <Fact name={words().firing.again}>{delivery.nextAttemptTime && <When at={delivery.nextAttemptTime} full />}</Fact>
            <Fact name={words().firing.attempts}>{delivery.attempts ?? 0}</Fact>
            <Fact name={words().delivery.category}>{delivery.category}</Fact>
            <Fact name={words().firing.one}>{delivery.firing && <a href={`/console/${delivery.firing}`}>{delivery.firing}</a>}</Fact>
            <Fact name={words().alarm.one}>{delivery.alarm && <a href={`/console/${delivery.alarm}`}>{alarmName(delivery.alarm)}</a>}</Fact>
            <Fact name={words().id}>
              <Copy text={delivery.name ?? ""} />
            </Fact>
          </Facts>
          <Section title={words().incident.timeline}>
            <ol class="timeline">
              {delivery.timeline?.map((event, index) => (
                <li key={index}>
                  <time dateTime={event.time} title={absolute(event.time ?? "")}>
                    {timeOfDay(event.time ?? "", true)}
                  </time>
                  <div>
                    <b>{words().delivery.states[event.state ?? ""] ?? event.state}</b> {event.provider && <span>{event.provider}</span>}{" "}
                    {event.code ? <span class="dim">{event.code}</span> : null}
                    {event.detail && <p>{event.detail}</p>}
                  </div>
                </li>
              ))}
            </ol>
          </Section>
        </>
      )}
    </Panel>
  );
}
