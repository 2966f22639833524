/** Makes or changes a rotation: layers of people who take turns, or of a calendar. */

import { api, idOf, type Schemas } from "../api/client";
import type { ApiError } from "../api/problem";
import { localText } from "../state/calendar";
import { now, ownZone } from "../state/clock";
import { noted } from "../state/directory";
import type { Rotation } from "../state/duty";
import { grouped, windowsOf, type Hours, type Window } from "../state/hours";
import { useKeptParts } from "../state/kept";
import { words } from "../words";
import { DutyPreview } from "./duty-preview";
import { Choice, Form, Ordered, Pick, Text, Zone } from "./fields";
import { HoursField, hoursInWords, weekday } from "./hours";

type ApiLayer = Schemas["mailer.v1.RotationLayer"];
type Unit = "HOURS" | "DAYS" | "WEEKS";

/** Hours of a layer in words. */
export function hoursText(windows: readonly Window[]): string {
  return hoursInWords(grouped(windows));
}

interface Layer {
  displayName: string;
  by: "turns" | "calendar" | "shifts";
  participants: string[][];
  unit: Unit;
  count: number;
  handOver: string;
  day: number;
  start: string;
  end: string;
  hours: Hours[];
  url: string;
  shifts: ApiLayer["shifts"];
}

interface Draft {
  displayName: string;
  timeZone: string;
  owner: string[];
  layers: Layer[];
}

/** A layer of weekly turns from the last Monday on. */
export function newLayer(zone: string, people: readonly string[] = []): Layer {
  return { displayName: "", by: "turns", participants: people.map((one) => [one]), unit: "WEEKS", count: 1, handOver: "09:00", day: 1, start: `${localText(now.value, zone).slice(0, 10)}T00:00`, end: "", hours: [], url: "", shifts: [] };
}

function _layerOf(layer: ApiLayer): Layer {
  return {
    displayName: layer.displayName ?? "",
    by: layer.calendarUrl ? "calendar" : layer.shifts?.length ? "shifts" : "turns",
    participants: (layer.participants ?? []).map((item) => item.recipients),
    unit: layer.turnUnit === "HOURS" || layer.turnUnit === "DAYS" ? layer.turnUnit : "WEEKS",
    count: layer.turnCount ?? 1,
    handOver: layer.handOverTime ?? "",
    day: layer.handOverWeekday ?? 1,
    start: (layer.start ?? "").slice(0, 16),
    end: (layer.end ?? "").slice(0, 16),
    hours: grouped(layer.hours ?? []),
    url: layer.calendarUrl ?? "",
    shifts: layer.shifts ?? [],
  };
}

/** A layer as the API takes it. */
export function apiLayer(layer: Layer): ApiLayer {
  const common = { displayName: layer.displayName, hours: windowsOf(layer.hours) };
  const lasts = { ...(layer.start ? { start: layer.start } : {}), ...(layer.end ? { end: layer.end } : {}) };
  if (layer.by === "calendar") return { ...common, ...lasts, calendarUrl: layer.url };
  if (layer.by === "shifts") return { ...common, ...lasts, shifts: layer.shifts ?? [] };
  const week = layer.unit === "WEEKS" ? { handOverWeekday: layer.day } : {};
  return {
    ...common,
    ...lasts,
    ...week,
    participants: layer.participants.filter((item) => item.length > 0).map((recipients) => ({ recipients })),
    turnUnit: layer.unit,
    turnCount: layer.count,
    ...(layer.handOver ? { handOverTime: layer.handOver } : {}),
  };
}

export function RotationForm({ rotation, done }: { rotation?: Rotation; done: (rotation: Rotation) => void }) {
  const first: Draft = rotation
    ? { displayName: rotation.displayName ?? "", timeZone: rotation.timeZone, owner: rotation.owner ? [rotation.owner] : [], layers: rotation.layers.map(_layerOf) }
    : { displayName: "", timeZone: ownZone, owner: [], layers: [newLayer(ownZone)] };
  const [draft, keep, forget] = useKeptParts<Draft>(rotation ? `${rotation.name} ${rotation.revision}` : "rotations/", first);
  const put = (index: number, part: Partial<Layer>) => keep({ layers: draft.layers.map((layer, other) => (other === index ? { ...layer, ...part } : layer)) });
  const body = { displayName: draft.displayName, timeZone: draft.timeZone, owner: draft.owner[0] ?? "", layers: draft.layers.map(apiLayer) };
  const save = async () => {
    const query = { updateMask: "displayName,timeZone,owner,layers" };
    const saved = rotation
      ? await api.PATCH("/v1/rotations/{rotation}", { params: { path: { rotation: idOf(rotation.name) }, query }, body })
      : await api.POST("/v1/rotations", { body });
    forget();
    noted(saved.name, saved.displayName);
    done(saved);
  };
  const layerName = (index: number) => draft.layers[index]?.displayName || words().rotation.layer(index + 1);
  return (
    <Form submit={save} label={rotation ? words().save : words().rotation.add} at={["displayName", "timeZone", "owner", "layers"]}>
      {(error) => (
        <>
          <Text label={words().alarm.name} first value={draft.displayName} maxLength={200} required change={(displayName) => keep({ displayName })} error={error?.of("displayName")} />
          <Zone value={draft.timeZone} change={(timeZone) => keep({ timeZone })} error={error?.of("timeZone")} />
          <Pick label={words().rotation.owner} hint={words().rotation.ownerHint} kinds={["recipients", "groups"]} value={draft.owner} change={(owner) => keep({ owner: owner.slice(-1) })} error={error?.of("owner")} />
          <Ordered value={draft.layers} change={(layers) => keep({ layers })} name={layerName} least={1}>
            {(layer, index) => <LayerFields layer={layer} put={(part) => put(index, part)} error={error} path={`layers[${index}]`} />}
          </Ordered>
          {error?.of("layers") && <span class="wrong">{error.of("layers")}</span>}
          <button type="button" class="quiet add" onClick={() => keep({ layers: [...draft.layers, newLayer(draft.timeZone)] })}>
            + {words().rotation.addLayer}
          </button>
          <small class="dim">{words().rotation.layersHint}</small>
          <section class="field" aria-label={words().rotation.preview}>
            {words().rotation.preview}
            <DutyPreview rotation={rotation?.name ? { name: rotation.name, ...body } : body} />
          </section>
        </>
      )}
    </Form>
  );
}

/** One layer. Those of a calendar's text are kept as they are: they are changed where the calendar is. */
function LayerFields({ layer, put, error, path }: { layer: Layer; put: (part: Partial<Layer>) => void; error: ApiError | null; path: string }) {
  const wrong = (name: string) => error?.fields.find((item) => item.field === `${path}.${name}` || item.field.startsWith(`${path}.${name}[`))?.description;
  return (
    <div class="form inner">
      <Text label={words().rotation.layerName} value={layer.displayName} maxLength={100} change={(displayName) => put({ displayName })} error={wrong("displayName")} />
      {layer.by === "shifts" ? (
        <p class="said">{words().rotation.shiftCount(layer.shifts?.length ?? 0)}</p>
      ) : (
        <Choice
          label={words().rotation.by}
          value={layer.by}
          of={[
            ["turns", words().rotation.byTurns],
            ["calendar", words().rotation.byCalendar],
          ]}
          change={(by) => put({ by })}
        />
      )}
      {layer.by === "calendar" && <Text label={words().rotation.url} type="url" required placeholder="https://calendar.example.com/team.ics" value={layer.url} change={(url) => put({ url })} error={wrong("calendarUrl")} />}
      {layer.by === "turns" && (
        <>
          <Turns value={layer.participants} change={(participants) => put({ participants })} error={wrong("participants")} />
          <div class="pair">
            <Text label={words().rotation.length} type="number" min={1} required value={String(layer.count || "")} change={(count) => put({ count: Number(count) })} error={wrong("turnCount")} />
            <Choice label={words().rotation.unit} value={layer.unit} of={(["HOURS", "DAYS", "WEEKS"] as const).map((unit) => [unit, words().rotation.units[unit] ?? unit] as const)} change={(unit) => put({ unit })} />
          </div>
          <div class="pair">
            <Text label={words().rotation.handOver} type="time" value={layer.handOver} change={(handOver) => put({ handOver })} error={wrong("handOverTime")} />
            {layer.unit === "WEEKS" && <Choice label={words().rotation.on} value={String(layer.day)} of={[1, 2, 3, 4, 5, 6, 7].map((day) => [String(day), weekday(day)] as const)} change={(day) => put({ day: Number(day) })} error={wrong("handOverWeekday")} />}
          </div>
        </>
      )}
      <div class="pair">
        <Text label={words().rotation.starts} type="datetime-local" required={layer.by === "turns"} value={layer.start} change={(start) => put({ start })} error={wrong("start")} />
        <Text label={words().rotation.endsAt} type="datetime-local" value={layer.end} change={(end) => put({ end })} error={wrong("end")} />
      </div>
      <HoursField value={layer.hours} change={(hours) => put({ hours })} error={wrong("hours")} />
    </div>
  );
}

/** Who takes turns, in their order; several of one turn are on call together. */
function Turns({ value, change, error }: { value: readonly string[][]; change: (value: string[][]) => void; error: string | undefined }) {
  return (
    <fieldset class="field">
      <legend>{words().rotation.participants}</legend>
      <Ordered value={value} change={change} name={(index) => words().rotation.turn(index + 1)}>
        {(people, index) => <Pick bare label={words().rotation.together} kinds={["recipients"]} value={people} change={(next) => change(value.map((item, other) => (other === index ? next : item)))} />}
      </Ordered>
      <Pick label={words().rotation.addTurn} kinds={["recipients"]} value={[]} change={(next) => change([...value, next])} error={error} />
    </fieldset>
  );
}
