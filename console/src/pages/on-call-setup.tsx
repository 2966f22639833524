/** Sets up on call in one go: who takes turns, whom an alert goes to, where alerts come from, and an alert that shows that it works. */

import { useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { ApiError } from "../api/problem";
import { sure } from "../parts/ask";
import { Button, CommandLine, Failure, Head, Section } from "../parts/basics";
import { binder, Choice, numbered, Pick, Text, withPart, Zone, type Bound } from "../parts/fields";
import { FormOf } from "../parts/form";
import { Duration } from "../parts/hours";
import { State, type Tone } from "../parts/mark";
import { Tabs } from "../parts/tabs";
import { act } from "../state/act";
import { inSeconds, ownZone } from "../state/clock";
import { called, useDirectory } from "../state/directory";
import { curlOf, KINDS, testCall, USUAL_MAPPING } from "../state/intake";
import { useKeptParts } from "../state/kept";
import { useLoaded } from "../state/loaded";
import { keyOf, STEPS, take, undo, type Newcomer, type Plan, type Step } from "../state/setup";
import { words } from "../words";

const _FIRST: Plan = { team: "", people: [], newcomers: [], timeZone: ownZone, unit: "WEEKS", handOver: "09:00", wait: "300s", repeat: 1, kind: "GENERIC", made: {}, begun: "" };

export default function OnCallSetup() {
  useDirectory();
  const [plan, keep, forget] = useKeptParts<Plan>("on-call-setup", _FIRST);
  const [error, setError] = useState<{ step: Step; error: ApiError } | null>(null);
  const [busy, setBusy] = useState<Step | null>(null);
  /** Goes through the steps that are not done; what is done stays done when a later one fails. */
  const run = async () => {
    const current: Plan = { ...plan, begun: plan.begun || inSeconds(-2) };
    const put = (change: Partial<Plan>) => {
      Object.assign(current, change);
      keep(change);
    };
    put({ begun: current.begun });
    setError(null);
    for (const step of STEPS) {
      if (current.made[step]) continue;
      setBusy(step);
      try {
        const made = await take(step, current, put);
        put({ made: { ...current.made, [step]: made } });
      } catch (failure) {
        setBusy(null);
        if (!(failure instanceof ApiError)) throw failure;
        setError({ step, error: failure });
        return;
      }
    }
    setBusy(null);
  };
  return (
    <>
      <Head title={words().setup.title} note={words().setup.note} />
      <Tabs of="/console/on-call" first={words().duty.calendar} />
      {plan.begun ? (
        <Progress plan={plan} busy={busy} failed={error} run={run} keep={keep} change={() => (setError(null), keep({ begun: "" }))} forget={forget} />
      ) : (
        <Questions plan={plan} keep={keep} run={run} error={error?.error ?? null} />
      )}
    </>
  );
}

function Questions({ plan, keep, run, error }: { plan: Plan; keep: (change: Partial<Plan>) => void; run: () => Promise<void>; error: ApiError | null }) {
  const [missing, setMissing] = useState(false);
  const somebody = plan.people.length + plan.newcomers.length > 0;
  const submit = async () => {
    setMissing(!somebody);
    if (somebody) await run();
  };
  const of = binder(plan, keep, (path) => error?.of(path));
  return (
    <FormOf kept={[plan, keep, () => undefined]} send={submit} name={words().setup.make}>
      {({ choice, text }) => (
        <>
          <Section title={words().setup.who}>
            <Text label={words().setup.team} hint={words().setup.teamHint} required maxLength={200} {...of("team", "displayName")} first />
            <Pick label={words().setup.people} kinds={["recipients"]} {...of("people")} error={missing && !somebody ? words().setup.nobody : undefined} />
            <Newcomers {...of("newcomers")} />
          </Section>
          <Section title={words().setup.turns}>
            <div class="pair">
              {choice("unit", words().setup.length, [["WEEKS", words().setup.weekly], ["DAYS", words().setup.daily]])}
              {text("handOver", words().rotation.handOver, { type: "time", required: true })}
            </div>
            <Zone {...of("timeZone")} />
          </Section>
          <Section title={words().setup.escalation}>
            <p class="dim">{words().setup.escalationHint}</p>
            <div class="pair">
              <Duration label={words().policy.wait} {...of("wait")} />
              <Choice label={words().policy.repeat} of={[0, 1, 2, 3, 4, 5].map((count) => [String(count), words().policy.times(count)] as const)} {...numbered(of("repeat"), "0")} />
            </div>
          </Section>
          <Section title={words().setup.source}>
            {choice("kind", words().integration.kind, KINDS.filter((kind) => kind !== "EMAIL").map((kind) => [kind, words().integration.kinds[kind] ?? kind] as const))}
          </Section>
          <p class="said">{words().setup.says}</p>
        </>
      )}
    </FormOf>
  );
}

/** People who are not there yet. */
function Newcomers({ value, change }: Bound<Newcomer[]>) {
  const put = (index: number, part: Partial<Newcomer>) => change(withPart(value, index, part));
  return (
    <div class="field">
      {value.map((item, index) => (
        <div class="pair" key={index}>
          <Text label={words().setup.newName} first={!item.displayName && !item.email} required maxLength={200} value={item.displayName} change={(displayName) => put(index, { displayName })} />
          <Text label={words().setup.newEmail} type="email" required placeholder="ann@example.com" value={item.email} change={(email) => put(index, { email })} />
          <button type="button" class="quiet" aria-label={words().fields.without(item.displayName)} onClick={() => change(value.filter((_, other) => other !== index))}>
            ×
          </button>
        </div>
      ))}
      <button type="button" class="quiet add" onClick={() => change([...value, { displayName: "", email: "" }])}>
        + {words().setup.addPerson}
      </button>
    </div>
  );
}

interface Doing {
  plan: Plan;
  busy: Step | null;
  failed: { step: Step; error: ApiError } | null;
  run: () => Promise<void>;
  keep: (change: Partial<Plan>) => void;
  change: () => void;
  forget: () => void;
}

function Progress({ plan, busy, failed, run, keep, change, forget }: Doing) {
  const whole = STEPS.every((step) => plan.made[step] !== undefined);
  const some = plan.made.rotation || plan.made.policy || plan.made.integration || (plan.made.newcomers?.length ?? 0) > 0;
  const toneOf = (step: Step): Tone => (plan.made[step] !== undefined ? "good" : failed?.step === step ? "bad" : busy === step ? "busy" : "idle");
  const remove = async () => {
    if (!(await sure(words().setup.reallyUndo, words().setup.undo))) return;
    await act(() => undo(plan, keep), words().setup.undone);
  };
  return (
    <div class="stack">
      <ol class="plain" aria-live="polite">
        {STEPS.map((step) => (
          <li key={step}>
            <State tone={toneOf(step)} word={words().setup.states[toneOf(step)] ?? ""} />
            <span class="grow">
              <b>{words().setup.steps[step]}</b> <Made step={step} plan={plan} />
            </span>
          </li>
        ))}
      </ol>
      {failed && (
        <>
          <Failure error={failed.error} again={run} />
          {failed.error.fields.map((item) => (
            <p class="wrong" key={item.field}>
              {item.field}: {item.description}
            </p>
          ))}
          <p class="said">{some ? words().setup.half : words().setup.nothing}</p>
        </>
      )}
      {!busy && !whole && (
        <div class="actions">
          {!failed && (
            <Button kind="main" onPress={run}>
              {words().setup.goOn}
            </Button>
          )}
          <Button onPress={change}>{words().setup.change}</Button>
          {some && (
            <Button kind="risky" onPress={remove}>
              {words().setup.undo}
            </Button>
          )}
        </div>
      )}
      {whole && <Done plan={plan} forget={forget} />}
    </div>
  );
}

/** What a step made, as a link to it. */
function Made({ step, plan }: { step: Step; plan: Plan }) {
  const name = plan.made[step];
  if (name === undefined) return null;
  if (step === "people") return <span class="dim">{plan.people.map(called).join(", ")}</span>;
  const at = { rotation: "on-call", policy: "policies", integration: "integrations", alert: "incidents" }[step];
  return name ? <a href={`/console/${at}/${idOf(name)}`}>{step === "alert" ? words().setup.incident : idOf(name)}</a> : null;
}

/** It works: the incident, who is told of it, and the line that the sender has to use. */
function Done({ plan, forget }: { plan: Plan; forget: () => void }) {
  const id = idOf(plan.made.alert);
  const found = useLoaded((signal) => api.GET("/v1/incidents/{incident}", { params: { path: { incident: id } }, signal }), [id], ["incident"]);
  const told = useLoaded((signal) => api.GET("/v1/incidents/{incident}/events", { params: { path: { incident: id }, query: { pageSize: 50 } }, signal }), [id], ["incident"]);
  const [line, setLine] = useState("");
  const show = () =>
    act(async () => {
      const call = testCall(plan.kind, await keyOf(plan.made.integration ?? ""), plan.team, USUAL_MAPPING);
      if (call) setLine(curlOf(call, location.origin));
    }, words().setup.lineShown);
  const incident = found.data;
  const resolve = () =>
    act(async () => {
      const now = await api.POST("/v1/incidents/{incident}:resolve", { params: { path: { incident: id } }, body: {} });
      found.put(() => now);
    }, words().incident.resolved);
  return (
    <Section title={words().setup.works}>
      {incident && (
        <p>
          {words().setup.opened} <a href={`/console/incidents/${id}`}>{incident.title}</a>. {told.data?.events.some((event) => event.kind === "STEP") ? words().setup.told : words().setup.tells}
        </p>
      )}
      {line ? <CommandLine line={line} /> : <p class="dim">{words().setup.sender}</p>}
      <div class="actions">
        {incident && incident.state !== "RESOLVED" && (
          <Button kind="main" onPress={resolve}>
            {words().setup.resolve}
          </Button>
        )}
        {!line && <Button onPress={show}>{words().setup.showLine}</Button>}
        <Button onPress={forget}>{words().setup.another}</Button>
      </div>
    </Section>
  );
}

