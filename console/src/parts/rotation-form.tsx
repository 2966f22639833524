/** Makes or changes a rotation: layers of people who take turns, or of a calendar. */

import { api, idOf, type Schemas } from "../api/client";
import type { ApiError } from "../api/problem";
import { localText } from "../state/calendar";
import { now, ownZone } from "../state/clock";
import { noted } from "../state/directory";
import type { Rotation } from "../state/duty";
import { grouped, windowsOf, type Hours, type Window } from "../state/hours";
import { words } from "../words";
import { DutyPreview } from "./duty-preview";
import { binder, Choice, numbered, Ordered, Pick, Text, withPart, Zone, type Bound } from "./fields";
import { Form } from "./form";
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
  const bodyOf = (draft: Draft) => ({ displayName: draft.displayName, timeZone: draft.timeZone, owner: draft.owner[0] ?? "", layers: draft.layers.map(apiLayer) });
  const save = async (draft: Draft) => {
    const body = bodyOf(draft);
    const query = { updateMask: "displayName,timeZone,owner,layers" };
    const saved = rotation
      ? await api.PATCH("/v1/rotations/{rotation}", { params: { path: { rotation: idOf(rotation.name) }, query }, body })
      : await api.POST("/v1/rotations", { body });
    noted(saved.name, saved.displayName);
    done(saved);
  };
  return (
    <Form id={rotation ? `${rotation.name} ${rotation.revision}` : "rotations/"} first={first} send={save} name={rotation ? words().save : words().rotation.add} at={["layers"]}>
      {({ draft, change, error, of, text }) => (
        <>
          {text("displayName", words().alarm.name, { first: true, required: true, max: 200 })}
          <Zone {...of("timeZone")} />
          <Pick label={words().rotation.owner} hint={words().rotation.ownerHint} kinds={["recipients", "groups"]} {...of("owner")} change={(owner) => change({ owner: owner.slice(-1) })} />
          <Ordered {...of("layers")} name={(index) => draft.layers[index]?.displayName || words().rotation.layer(index + 1)} least={1}>
            {(layer, index) => <LayerFields layer={layer} put={(part) => change({ layers: withPart(draft.layers, index, part) })} error={error} path={`layers[${index}]`} />}
          </Ordered>
          {error?.of("layers") && <span class="wrong">{error.of("layers")}</span>}
          <button type="button" class="quiet add" onClick={() => change({ layers: [...draft.layers, newLayer(draft.timeZone)] })}>
            + {words().rotation.addLayer}
          </button>
          <small class="dim">{words().rotation.layersHint}</small>
          <section class="field" aria-label={words().rotation.preview}>
            {words().rotation.preview}
            <DutyPreview rotation={rotation?.name ? { name: rotation.name, ...bodyOf(draft) } : bodyOf(draft)} />
          </section>
        </>
      )}
    </Form>
  );
}

/** One layer. Those of a calendar's text are kept as they are: they are changed where the calendar is. */
function LayerFields({ layer, put, error, path }: { layer: Layer; put: (part: Partial<Layer>) => void; error: ApiError | null; path: string }) {
  const of = binder(layer, put, (name) => error?.within(`${path}.${name}`));
  return (
    <div class="form inner">
      <Text label={words().rotation.layerName} maxLength={100} {...of("displayName")} />
      {layer.by === "shifts" ? (
        <p class="said">{words().rotation.shiftCount(layer.shifts?.length ?? 0)}</p>
      ) : (
        <Choice
          label={words().rotation.by}
          of={[
            ["turns", words().rotation.byTurns],
            ["calendar", words().rotation.byCalendar],
          ]}
          {...of("by")}
        />
      )}
      {layer.by === "calendar" && <Text label={words().rotation.url} type="url" required placeholder="https://calendar.example.com/team.ics" {...of("url", "calendarUrl")} />}
      {layer.by === "turns" && (
        <>
          <Turns {...of("participants")} />
          <div class="pair">
            <Text label={words().rotation.length} type="number" min={1} required {...numbered(of("count", "turnCount"))} />
            <Choice label={words().rotation.unit} of={(["HOURS", "DAYS", "WEEKS"] as const).map((unit) => [unit, words().rotation.units[unit] ?? unit] as const)} {...of("unit")} />
          </div>
          <div class="pair">
            <Text label={words().rotation.handOver} type="time" {...of("handOver", "handOverTime")} />
            {layer.unit === "WEEKS" && <Choice label={words().rotation.on} of={[1, 2, 3, 4, 5, 6, 7].map((day) => [String(day), weekday(day)] as const)} {...numbered(of("day", "handOverWeekday"))} />}
          </div>
        </>
      )}
      <div class="pair">
        <Text label={words().rotation.starts} type="datetime-local" required={layer.by === "turns"} {...of("start")} />
        <Text label={words().rotation.endsAt} type="datetime-local" {...of("end")} />
      </div>
      <HoursField {...of("hours")} />
    </div>
  );
}

/** Who takes turns, in their order; several of one turn are on call together. */
function Turns({ value, change, error }: Bound<string[][]>) {
  return (
    <fieldset class="field">
      <legend>{words().rotation.participants}</legend>
      <Ordered value={value} change={change} name={(index) => words().rotation.turn(index + 1)}>
        {(people, index) => <Pick bare label={words().rotation.together} kinds={["recipients"]} value={people} change={(next) => change(value.with(index, next))} />}
      </Ordered>
      <Pick label={words().rotation.addTurn} kinds={["recipients"]} value={[]} change={(next) => change([...value, next])} error={error} />
    </fieldset>
  );
}
