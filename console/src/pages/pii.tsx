/** Policies on personal data: what is done about it, where, and of what kind; and a try-out for a text. */

import { useState } from "preact/hooks";
import { useLocation } from "../state/location";
import { api, idOf, type Schemas } from "../api/client";
import { Admin } from "../parts/admin";
import { Button, CommandLine, Copy, Fact, Facts, Section } from "../parts/basics";
import { Form } from "../parts/form";
import type { Column } from "../parts/list";
import { State, type Tone } from "../parts/mark";
import { Panel } from "../parts/panel";
import { When } from "../parts/when";
import { act } from "../state/act";
import { notify } from "../state/notices";
import { may } from "../state/session";
import { words } from "../words";

type Policy = Schemas["processor.v1.PiiPolicy"];
type KindOfData = NonNullable<Policy["kinds"]>[number];
const _PATH = "/console/settings/pii";
const _KINDS = ["EMAIL", "PHONE", "CARD", "IBAN", "IP_ADDRESS", "NATIONAL_ID"] as const;
const _MEASURES = ["ALLOW", "FLAG", "REDACT", "BLOCK"] as const;
const _AREAS = ["", "RECORDS", "TASKS", "EVENTS", "MESSAGES"] as const;
const _TONES: Record<string, Tone> = { ALLOW: "idle", FLAG: "warn", REDACT: "busy", BLOCK: "bad" };

const _kinds = (policy: Policy) => (policy.kinds?.length ? policy.kinds.map((kind) => words().pii.kinds[kind] ?? kind).join(", ") : words().pii.everyKind);
const _where = (policy: Policy) => [words().pii.areas[policy.area ?? ""] ?? words().pii.everywhere, policy.subject].filter(Boolean).join(" · ");

const _columns = (): Column<Policy>[] => [
  { name: words().id, width: "minmax(8rem, 1fr)", show: (row) => idOf(row.name) },
  { name: words().pii.measure, width: "minmax(7rem, 1fr)", show: (row) => <State tone={_TONES[row.measure] ?? "idle"} word={words().pii.measures[row.measure] ?? ""} /> },
  { name: words().pii.where, width: "minmax(8rem, 1fr)", show: _where },
  { name: words().pii.what, width: "minmax(8rem, 2fr)", wide: true, show: _kinds },
  { name: words().delivery.changed, width: "minmax(6rem, 1fr)", wide: true, show: (row) => <When at={row.updateTime} /> },
];

export default function Pii({ params }: { params?: { id?: string } }) {
  const { route } = useLocation();
  const id = params?.id;
  return (
    <Admin<Policy>
      path={_PATH}
      title={words().pages.settings}
      tabs={{ of: "/console/settings", first: words().settings.you }}
      scope="pii:write"
      add={words().pii.add}
      none={words().pii.none}
      line="tocsin pii set cards --measure redact --kind card"
      columns={_columns()}
      load={async (pageToken, _, signal) => {
        const found = await api.GET("/v1/pii/policies", { params: { query: { pageSize: 200, pageToken } }, signal });
        return { rows: found.policies, next: found.nextPageToken ?? "" };
      }}
      name={(row) => row.name}
      id={id}
    >
      {(list, open) => {
        const done = (policy: Policy) => {
          list.again();
          route(`${_PATH}/${idOf(policy.name)}`);
        };
        if (id === "new") {
          return (
            <Panel title={words().pii.add} back={_PATH}>
              <PolicyForm done={done} />
              <Scan />
            </Panel>
          );
        }
        return open ? <One key={open.name} policy={open} again={list.again} done={done} /> : <Panel title={id ?? ""} back={_PATH}>{words().noSuchPage}</Panel>;
      }}
    </Admin>
  );
}

function PolicyForm({ policy, done }: { policy?: Policy; done: (policy: Policy) => void }) {
  const first = {
    id: idOf(policy?.name),
    measure: (policy?.measure ?? "REDACT") as string,
    area: (policy?.area ?? "") as string,
    subject: policy?.subject ?? "",
    kinds: (policy?.kinds ?? []) as readonly KindOfData[],
  };
  const save = async ({ id, measure, area, subject, kinds }: typeof first) => {
    const body = { name: `pii/policies/${id}`, measure, ...(area ? { area } : {}), subject, kinds: [...kinds] } as Policy;
    const saved = await api.PUT("/v1/pii/policies/{policy}", { params: { path: { policy: id } }, body });
    notify({ text: words().settings.saved });
    done(saved);
  };
  return (
    <Form id={policy?.name ?? "pii/new"} first={first} send={save} name={policy ? words().save : words().pii.add}>
      {(field) => (
        <>
          {!policy && field.text("id", words().access.roleId, { required: true, max: 64, placeholder: "cards" })}
          {field.choice("measure", words().pii.measure, _MEASURES.map((name) => [name, words().pii.measures[name] ?? name] as const), words().pii.means[field.draft.measure])}
          {field.choice("area", words().pii.where, _AREAS.map((name) => [name, words().pii.areas[name] ?? words().pii.everywhere] as const))}
          {field.text("subject", words().pii.subject, { max: 200, placeholder: "order-*", hint: words().pii.subjectHint })}
          <fieldset class="field">
            <legend>{words().pii.what}</legend>
            <div class="choice">
              {_KINDS.map((kind) => (
                <label key={kind} class="tick">
                  <input
                    type="checkbox"
                    checked={field.draft.kinds.includes(kind)}
                    onChange={(event) => field.change({ kinds: event.currentTarget.checked ? [...field.draft.kinds, kind] : field.draft.kinds.filter((item) => item !== kind) })}
                  />
                  {words().pii.kinds[kind]}
                </label>
              ))}
            </div>
            <p class="hint">{words().pii.kindsHint}</p>
          </fieldset>
        </>
      )}
    </Form>
  );
}

function One({ policy, again, done }: { policy: Policy; again: () => void; done: (policy: Policy) => void }) {
  const { path, query, route } = useLocation();
  const id = idOf(policy.name);
  const back = async () => {
    await api.PUT("/v1/pii/policies/{policy}", { params: { path: { policy: id } }, body: policy });
    again();
  };
  const remove = async () => {
    if (!(await act(() => api.DELETE("/v1/pii/policies/{policy}", { params: { path: { policy: id } } }), words().alarm.removed, back))) return;
    again();
    route(_PATH);
  };
  if (query["edit"] !== undefined) {
    return (
      <Panel title={id} back={path}>
        <PolicyForm policy={policy} done={done} />
      </Panel>
    );
  }
  return (
    <Panel title={id} back={_PATH}>
      <p class="large">
        <State tone={_TONES[policy.measure] ?? "idle"} word={words().pii.measures[policy.measure] ?? ""} />
      </p>
      <p>{words().pii.means[policy.measure]}</p>
      {may("pii:write") && (
        <div class="actions">
          <a class="button" href={`${path}?edit`}>
            {words().alarm.edit}
          </a>
          <Button kind="risky" onPress={remove}>
            {words().alarm.remove}
          </Button>
        </div>
      )}
      <Facts>
        <Fact name={words().pii.where}>{_where(policy)}</Fact>
        <Fact name={words().pii.what}>{_kinds(policy)}</Fact>
        <Fact name={words().delivery.changed}>
          <When at={policy.updateTime} />
        </Fact>
        <Fact name={words().access.roleId}>
          <Copy text={policy.name} />
        </Fact>
      </Facts>
      <Scan />
      <CommandLine line={`tocsin pii show ${id}`} />
    </Panel>
  );
}

/** What would be found in a text; nothing of it is stored. */
function Scan() {
  const [text, setText] = useState("");
  const [found, setFound] = useState<Schemas["processor.v1.ScanTextResponse"] | null>(null);
  const scan = () =>
    act(async () => setFound(await api.POST("/v1/pii:scan", { body: { text } })), words().pii.scanned);
  return (
    <Section title={words().pii.tryIt}>
      <label class="field">
        {words().pii.text}
        <textarea rows={3} value={text} onInput={(event) => setText(event.currentTarget.value)} placeholder="4111 1111 1111 1111, ann@example.com" />
      </label>
      <div class="actions">
        <Button onPress={scan} disabled={!text}>
          {words().pii.scan}
        </Button>
      </div>
      {found && <pre role="status">{found.findings?.length ? found.redacted : words().pii.nothing}</pre>}
    </Section>
  );
}
