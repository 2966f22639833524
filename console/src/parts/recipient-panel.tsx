/** One recipient: addresses, groups, what they want, and what they got lately. */

import { useLocation } from "../state/location";
import { api, type Schemas } from "../api/client";
import { act } from "../state/act";
import { deliveryTone, millis } from "../state/alarms";
import { lasting } from "../state/lasting";
import { useLoaded } from "../state/loaded";
import { personName, quoted, type Recipient } from "../state/people";
import { may } from "../state/session";
import { words } from "../words";
import { Addresses } from "./addresses";
import { sure } from "./ask";
import { Button, CommandLine, Copy, Fact, Facts, Pending, Section } from "./basics";
import { State } from "./mark";
import { Panel } from "./panel";
import { PreferencesSection } from "./preferences";
import { RecipientForm } from "./recipient-form";
import { When } from "./when";

export function RecipientPanel({ id, back, changed }: { id: string; back: string; changed: () => void }) {
  const { query, route, path } = useLocation();
  const at = { params: { path: { recipient: id } } };
  const found = useLoaded((signal) => api.GET("/v1/recipients/{recipient}", { ...at, signal }), [id]);
  const recipient = found.data;
  const again = () => {
    found.again();
    changed();
  };
  const remove = async () => {
    if (!(await sure(words().person.reallyDelete(personName(recipient as Recipient)), words().alarm.remove))) return;
    const gone = await act(() => api.DELETE("/v1/recipients/{recipient}", at), words().alarm.removed);
    if (!gone) return;
    changed();
    route(back);
  };
  if (recipient && query["edit"] !== undefined) {
    return (
      <Panel title={words().alarm.edit} back={path}>
        <RecipientForm
          recipient={recipient}
          done={() => {
            again();
            route(path);
          }}
        />
      </Panel>
    );
  }
  return (
    <Panel title={recipient ? personName(recipient) : words().person.one} back={back}>
      <Pending of={found} rows={6} />
      {recipient && (
        <>
          {may("recipients:write") && (
            <div class="actions">
              <a class="button" href={`${path}?edit`}>
                {words().alarm.edit}
              </a>
              <Button kind="risky" onPress={remove}>
                {words().alarm.remove}
              </Button>
            </div>
          )}
          <Addresses recipient={recipient} changed={again} />
          <Facts>
            <Fact name={words().person.groups}>
              {recipient.groups?.map((name, place) => (
                <>
                  {place > 0 && ", "}
                  <a href={`/console/${name}`}>{name.replace("groups/", "")}</a>
                </>
              ))}
            </Fact>
            <Fact name={words().template.locale}>{recipient.locale}</Fact>
            <Fact name={words().alarm.zone}>{recipient.timeZone}</Fact>
            <Fact name={words().alarm.made}>
              <When at={recipient.createTime} />
            </Fact>
            <Fact name={words().id}>
              <Copy text={recipient.name ?? ""} />
            </Fact>
          </Facts>
          {recipient.attributes && Object.keys(recipient.attributes).length > 0 && (
            <Section title={words().person.ofThem}>
              <pre dir="auto">{JSON.stringify(recipient.attributes, null, 2)}</pre>
            </Section>
          )}
          <PreferencesSection id={id} />
          <Rules rules={recipient.rules} />
          {may("deliveries:read") && <Deliveries name={recipient.name ?? ""} />}
          <CommandLine line={`tocsin recipient get ${id}`} />
        </>
      )}
    </Panel>
  );
}

/** How they are told of incidents. */
function Rules({ rules }: { rules: Recipient["rules"] }) {
  const steps = (found: readonly Schemas["mailer.v1.PersonalRules.Step"][] | undefined) =>
    found?.length ? found.map((step) => `${step.channel}${step.address ? ` ${step.address}` : ""} ${step.after ? words().person.after(lasting(millis(step.after))) : words().person.atOnce}`).join(", ") : words().person.byDefault;
  if (!rules) return null;
  return (
    <Section title={words().person.rules}>
      <Facts>
        <Fact name={words().person.urgent}>{steps(rules.urgent)}</Fact>
        <Fact name={words().person.other}>{steps(rules.other)}</Fact>
      </Facts>
    </Section>
  );
}

const _LAST = 10;

function Deliveries({ name }: { name: string }) {
  const filter = `recipient=${quoted(name)}`;
  const found = useLoaded(
    (signal) => api.GET("/v1/deliveries", { params: { query: { pageSize: _LAST, filter } }, signal }),
    [name],
    ["delivery"],
  );
  const rows = found.data?.deliveries ?? [];
  return (
    <Section title={words().person.deliveries} note={rows.length > 0 && <a href={`/console/deliveries?filter=${encodeURIComponent(filter)}`}>{words().person.all}</a>}>
      <Pending of={found} rows={2} />
      {found.data && rows.length === 0 && <p class="dim">{words().person.noDeliveries}</p>}
      <ul class="plain">
        {rows.map((row) => (
          <li key={row.name}>
            <State tone={deliveryTone(row)} word={words().delivery.states[row.state ?? ""] ?? ""} />
            <a href={`/console/${row.name}`}>{row.subject || row.to}</a>
            <span class="dim">
              {row.channel} · <When at={row.updateTime ?? row.createTime} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
