/** The mesh: who calls whom, how well, and what stands in the way; breakers and faults are operated here. */

import { useEffect, useState } from "preact/hooks";
import { api, type Schemas } from "../api/client";
import { onChange } from "../api/live";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Head, Pending, Section } from "../parts/basics";
import { State } from "../parts/mark";
import { Panel } from "../parts/panel";
import { Topology } from "../parts/topology";
import { When } from "../parts/when";
import { act } from "../state/act";
import { useLoaded } from "../state/loaded";
import { boxesOf, edgesOf, processTone, short, type Picture } from "../state/mesh";
import { may } from "../state/session";
import { words } from "../words";

type Breaker = Schemas["mesh.v1.CircuitBreaker"];

const _KEPT_MS = 10_000;
const _SPAN_MS = 900; // over less, a single call would be dozens a second

/** The last pictures of ten seconds, the newest last: rates are over what they span. */
function usePictures(): { pictures: readonly Picture[]; first: ReturnType<typeof useLoaded<Picture>> } {
  const first = useLoaded((signal) => api.GET("/v1/mesh", { signal }), []);
  const [pictures, setPictures] = useState<readonly Picture[]>([]);
  const add = (picture: Picture) =>
    setPictures((was) => [...was.filter((item) => Date.parse(picture.time ?? "") - Date.parse(item.time ?? "") < _KEPT_MS), picture]);
  useEffect(() => {
    if (first.data) add(first.data);
  }, [first.data]);
  useEffect(() => onChange(["mesh"], (changes) => changes.forEach((change) => change.mesh && add(change.mesh))), []);
  return { pictures, first };
}

export default function Mesh({ params }: { params?: { id?: string } }) {
  const { pictures, first } = usePictures();
  const picture = pictures.at(-1);
  // With none that is old enough yet, nothing is said of calls: those since the start of a process are not those of now.
  const before = pictures.find((item) => Date.parse(picture?.time ?? "") - Date.parse(item.time ?? "") >= _SPAN_MS) ?? picture;
  const id = params?.id ?? "";
  return (
    <>
      <Head title={words().pages.mesh} note={picture && words().mesh.note(picture.processes?.length ?? 0)} />
      {first.data && <AsOf of={first} />}
      {!picture && <Pending of={first} />}
      {picture && (
        <div class={id ? "beside" : "alone"}>
          <div class="stack">
            <Topology boxes={boxesOf(picture)} edges={edgesOf(picture, before)} chosen={id} />
            <Edges picture={picture} before={before} />
            <Breakers picture={picture} again={first.again} />
            <CommandLine line="tocsin mesh status" />
          </div>
          {id && <One service={id} picture={picture} again={first.again} />}
        </div>
      )}
    </>
  );
}

function Edges({ picture, before }: { picture: Picture; before: Picture | undefined }) {
  return (
    <details class="numbers">
      <summary>{words().asTable}</summary>
      <table>
        <thead>
          <tr>
            <th>{words().mesh.from}</th>
            <th>{words().mesh.to}</th>
            <th class="number">{words().mesh.rate}</th>
            <th class="number">{words().mesh.errors}</th>
            <th class="number">p99</th>
          </tr>
        </thead>
        <tbody>
          {edgesOf(picture, before).map((edge) => (
            <tr key={`${edge.from} ${edge.to}`}>
              <td>{edge.from}</td>
              <td>{edge.to}</td>
              <td class="number">{edge.rate.toFixed(1)}/s</td>
              <td class="number">{(edge.errors * 100).toFixed(1)} %</td>
              <td class="number">{edge.p99 === undefined ? "–" : `${edge.p99.toFixed(0)} ms`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

/** Breakers that are not simply closed; all well is one line. */
function Breakers({ picture, again }: { picture: Picture; again: () => void }) {
  const found = (picture.processes ?? []).flatMap((process) =>
    (process.status?.circuitBreakers ?? []).filter((breaker) => breaker.state !== "CLOSED" || breaker.forced).map((breaker) => ({ at: short(process.service), breaker })),
  );
  const reset = (breaker: Breaker) =>
    act(async () => {
      await api.POST("/v1/mesh/breakers/{id}:reset", { params: { path: { id: breaker.id ?? "" } }, body: {} });
      again();
    }, words().mesh.resetDone);
  return (
    <Section title={words().mesh.breakers}>
      {found.length === 0 && <p class="dim">{words().mesh.allClosed}</p>}
      <ul class="plain">
        {found.map(({ at, breaker }) => (
          <li key={`${at} ${breaker.id}`}>
            <State tone={breaker.state === "OPEN" ? "bad" : "warn"} word={words().mesh.states[breaker.state ?? ""] ?? ""} />
            <span>{words().mesh.guards(at, short(breaker.target))}</span>
            {may("mesh:write") && <Button onPress={() => reset(breaker)}>{words().mesh.reset}</Button>}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function One({ service, picture, again }: { service: string; picture: Picture; again: () => void }) {
  const processes = (picture.processes ?? []).filter((process) => short(process.service) === service);
  const slow = async () => {
    if (!(await sure(words().mesh.reallyFault(service), words().mesh.fault))) return;
    await act(async () => {
      await api.POST("/v1/mesh/faults", { body: { service, fault: { percent: 100, delay: "0.500s" } } });
      again();
    }, words().mesh.faultSet);
  };
  const clear = () =>
    act(async () => {
      await api.DELETE("/v1/mesh/faults", { params: { query: { service } } });
      again();
    }, words().mesh.faultsRemoved);
  const faults = processes.flatMap((process) => process.status?.faults ?? []);
  return (
    <Panel title={service} back="/console/mesh">
      {processes.map((process) => (
        <Section key={process.address} title={process.address ?? ""}>
          <p>
            <State tone={processTone(process)} word={process.reachable ? (words().mesh.health[process.status?.health ?? ""] ?? "") : words().mesh.gone} />
          </p>
          <Facts>
            <Fact name={words().mesh.version}>{process.status?.version}</Fact>
            <Fact name={words().mesh.up}>{process.status?.startTime && <When at={process.status.startTime} />}</Fact>
            <Fact name={words().mesh.incarnation}>{process.status?.incarnation && <Copy text={process.status.incarnation} shown={process.status.incarnation.slice(0, 12)} />}</Fact>
            {process.status?.dependencies?.map((item) => (
              <Fact key={item.name} name={item.name ?? ""}>
                <State tone={item.health === "HEALTHY" ? "good" : item.health === "DEGRADED" ? "warn" : "bad"} word={`${words().mesh.health[item.health ?? ""] ?? ""} ${item.detail ?? ""}`} />
              </Fact>
            ))}
          </Facts>
        </Section>
      ))}
      {faults.length > 0 && <p class="said">{words().mesh.faulty(faults.length)}</p>}
      {may("mesh:write") && service !== "gateway" && (
        <div class="actions">
          <Button kind="risky" onPress={slow}>
            {words().mesh.fault}
          </Button>
          {faults.length > 0 && (
            <Button kind="main" onPress={clear}>
              {words().mesh.clear}
            </Button>
          )}
        </div>
      )}
      <CommandLine line={`tocsin mesh fault ${service} --delay 0.5s`} />
    </Panel>
  );
}
