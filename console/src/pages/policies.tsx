/** Escalation policies: who is told of an incident, step by step, until somebody answers. */

import { useLocation } from "../state/location";
import { api, idOf } from "../api/client";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Head, Pending, Section } from "../parts/basics";
import { Filter, filterOf, textFilter } from "../parts/filter";
import { hoursInWords } from "../parts/hours";
import { Listed, type Column } from "../parts/list";
import { Panel } from "../parts/panel";
import { PolicyForm, type Policy } from "../parts/policy-form";
import { Tabs } from "../parts/tabs";
import { When } from "../parts/when";
import { act } from "../state/act";
import { millis } from "../state/alarms";
import { called, useDirectory } from "../state/directory";
import { lasting } from "../state/lasting";
import { useLoaded } from "../state/loaded";
import { useParts } from "../state/pages";
import { may } from "../state/session";
import { words } from "../words";

const _HERE = "/console/policies";

/** The name of a policy for people. */
export function policyName(policy: Policy): string {
  return policy.displayName || idOf(policy.name);
}

const _columns = (): Column<Policy>[] => [
  { name: words().alarm.name, width: "minmax(9rem, 1.5fr)", show: policyName },
  { name: words().policy.first, width: "minmax(8rem, 2fr)", show: (row) => row.steps[0]?.targets.map(called).join(", ") },
  { name: words().policy.steps, width: "4rem", number: true, show: (row) => row.steps.length },
  { name: words().policy.repeat, width: "6rem", wide: true, show: (row) => words().policy.times(row.repeat ?? 0) },
  { name: words().rotation.changed, width: "7rem", wide: true, show: (row) => <When at={row.updateTime} /> },
];

export default function Policies({ params }: { params?: { id?: string } }) {
  const { query, route } = useLocation();
  useDirectory();
  const id = params?.id;
  const filter = textFilter(filterOf(query));
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/escalationPolicies", { params: { query: { pageSize: 200, pageToken, filter } }, signal });
      return { rows: found.escalationPolicies, next: found.nextPageToken ?? "" };
    },
    [filter],
    [],
  );
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  const adding = query["add"] !== undefined && !id;
  return (
    <>
      <Head title={words().pages.policies}>
        {may("incidents:write") && (
          <a class="button main" href={`${_HERE}?add`}>
            {words().policy.add}
          </a>
        )}
      </Head>
      <Tabs of="/console/on-call" first={words().duty.calendar} />
      <Filter offers={[]} example={words().person.findGroup} meant={textFilter} />
      <AsOf of={list} />
      <div class={id || adding ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.policies}
          columns={_columns()}
          href={(row) => `${_HERE}/${idOf(row.name)}${tail}`}
          open={id && `escalationPolicies/${id}`}
          filter={filter}
          none={words().policy.none}
          line="tocsin policy apply nights.json"
        >
          {may("incidents:write") && (
            <a class="button main" href="/console/on-call-setup">
              {words().setup.title}
            </a>
          )}
        </Listed>
        {adding && (
          <Panel title={words().policy.add} back={_HERE}>
            <PolicyForm
              done={(made) => {
                list.again();
                route(`${_HERE}/${idOf(made.name)}`);
              }}
            />
          </Panel>
        )}
        {id && <One key={id} id={id} back={`${_HERE}${tail}`} changed={list.again} />}
      </div>
    </>
  );
}

function One({ id, back, changed }: { id: string; back: string; changed: () => void }) {
  const { query, route, path } = useLocation();
  const at = { params: { path: { escalationPolicy: id } } };
  const found = useLoaded((signal) => api.GET("/v1/escalationPolicies/{escalationPolicy}", { ...at, signal }), [id]);
  const policy = found.data;
  const remove = async () => {
    if (!(await sure(words().policy.reallyDelete(policyName(policy as Policy)), words().alarm.remove))) return;
    const gone = await act(() => api.DELETE("/v1/escalationPolicies/{escalationPolicy}", at), words().alarm.removed);
    if (!gone) return;
    changed();
    route(back);
  };
  const test = async () => {
    if (!(await sure(words().policy.reallyTest(policyName(policy as Policy)), words().policy.test))) return;
    await act(async () => {
      const body = { title: words().policy.testTitle(policyName(policy as Policy)), severity: "ERROR" as const, escalationPolicy: policy?.name ?? "", dedupKey: `console-test/${id}`, labels: { test: "true" } };
      const incident = await api.POST("/v1/incidents", { body });
      route(`/console/incidents/${idOf(incident.name)}`);
    }, words().policy.tested);
  };
  if (policy && query["edit"] !== undefined) {
    return (
      <Panel title={words().policy.edit} back={path}>
        <PolicyForm
          policy={policy}
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
    <Panel title={policy ? policyName(policy) : words().policy.one} back={back}>
      <Pending of={found} rows={6} />
      {policy && (
        <>
          {may("incidents:write") && (
            <div class="actions">
              <Button kind="main" onPress={test}>
                {words().policy.test}
              </Button>
              <a class="button" href={`${path}?edit`}>
                {words().alarm.edit}
              </a>
              <Button kind="risky" onPress={remove}>
                {words().alarm.remove}
              </Button>
            </div>
          )}
          <Section title={words().policy.steps}>
            <Steps policy={policy} />
          </Section>
          <Facts>
            <Fact name={words().policy.unacknowledge}>{policy.unacknowledgeAfter && lasting(millis(policy.unacknowledgeAfter))}</Fact>
            <Fact name={words().policy.resolve}>{policy.resolveAfter && lasting(millis(policy.resolveAfter))}</Fact>
            <Fact name={words().alarm.zone}>{policy.timeZone}</Fact>
            <Fact name={words().rotation.changed}>
              <When at={policy.updateTime} />
            </Fact>
            <Fact name={words().id}>
              <Copy text={policy.name ?? ""} />
            </Fact>
          </Facts>
          <CommandLine line={`tocsin policy show ${id}`} />
        </>
      )}
    </Panel>
  );
}

/** The steps by the time at which each comes, as long as nobody answers. */
function Steps({ policy }: { policy: Policy }) {
  let after = 0;
  return (
    <ol class="timeline">
      {policy.steps.map((step, index) => {
        const at = after;
        after += millis(step.wait ?? "300s");
        const only = [step.channels?.join(", "), hoursInWords((step.hours ?? []).map((item) => ({ days: item.days ?? [], start: item.start, end: item.end }))), step.minOccurrences ? words().policy.leastOf(step.minOccurrences) : ""].filter(Boolean);
        return (
          <li key={index}>
            <time>{at === 0 ? words().policy.atOnce : `+${lasting(at)}`}</time>
            <div>
              <b>{step.targets.map(called).join(", ")}</b>
              {policy.roundRobin && index === 0 && <p class="dim">{words().policy.roundRobin}</p>}
              {only.length > 0 && <p class="dim">{only.join(" · ")}</p>}
            </div>
          </li>
        );
      })}
      <li>
        <time>+{lasting(after)}</time>
        <div>{policy.repeat ? words().policy.again(policy.repeat) : words().policy.end}</div>
      </li>
    </ol>
  );
}
