/** A rotation beside the calendar: its overrides, its layers in words, and how others subscribe to it. */

import { useLocation } from "../state/location";
import { useState } from "preact/hooks";
import { api, type Schemas } from "../api/client";
import { onCallAt } from "../pages/on-call";
import { act } from "../state/act";
import { called } from "../state/directory";
import type { Override } from "../state/duty";
import { useLoaded } from "../state/loaded";
import { may } from "../state/session";
import { words } from "../words";
import { sure } from "./ask";
import { Button, CommandLine, Copy, Fact, Facts, Failure, Pending, Section } from "./basics";
import { Mark } from "./mark";
import { putOver, takeBack } from "./override-form";
import { Panel } from "./panel";
import { RotationForm, hoursText } from "./rotation-form";
import { When, brief } from "./when";

type Layer = Schemas["mailer.v1.RotationLayer"];

export function RotationPanel({ id, back, keep, changed }: { id: string; back: string; keep: Record<string, string | undefined>; changed: () => void }) {
  const { query, route } = useLocation();
  const at = { params: { path: { rotation: id } } };
  const found = useLoaded((signal) => api.GET("/v1/rotations/{rotation}", { ...at, signal }), [id], ["rotation"]);
  const overrides = useLoaded(
    (signal) => api.GET("/v1/rotations/{rotation}/overrides", { params: { ...at.params, query: { pageSize: 200 } }, signal }),
    [id],
    ["rotation"],
  );
  const [feed, setFeed] = useState("");
  const rotation = found.data;
  const name = rotation ? rotation.displayName || id : id;
  const own = onCallAt(id, keep);
  const remove = async () => {
    if (!(await sure(words().rotation.reallyDelete(name), words().alarm.remove))) return;
    const gone = await act(() => api.DELETE("/v1/rotations/{rotation}", at), words().alarm.removed);
    if (!gone) return;
    changed();
    route(back);
  };
  const end = (item: Override) =>
    act(
      async () => {
        await takeBack(item.name ?? "");
        overrides.again();
        changed();
      },
      words().duty.takenBack,
      () =>
        act(async () => {
          const { kind, recipients, startTime, endTime, comment } = item;
          await putOver(id, { kind, recipients, startTime, endTime, comment } as Override);
          overrides.again();
          changed();
        }, words().duty.overridden),
    );
  const subscribe = () => act(async () => setFeed((await api.POST("/v1/rotations/{rotation}:createFeed", { ...at, body: {} })).url ?? ""), words().rotation.feedMade);
  if (rotation && query["edit"] !== undefined) {
    return (
      <Panel title={words().rotation.edit} back={own}>
        <RotationForm
          rotation={rotation}
          done={() => {
            found.again();
            changed();
            route(own);
          }}
        />
      </Panel>
    );
  }
  return (
    <Panel title={name} back={back}>
      <Pending of={found} rows={6} />
      {rotation && (
        <>
          {may("recipients:write") && (
            <div class="actions">
              <a class="button main" href={onCallAt(id, { ...keep, override: "" })}>
                {words().duty.addOverride}
              </a>
              <a class="button" href={onCallAt(id, { ...keep, edit: "" })}>
                {words().alarm.edit}
              </a>
              <Button onPress={subscribe}>{words().rotation.feed}</Button>
              <Button kind="risky" onPress={remove}>
                {words().alarm.remove}
              </Button>
            </div>
          )}
          {feed && (
            <div class="said" role="status">
              {words().rotation.feedOnce} <Copy text={feed} />
            </div>
          )}
          <Section title={words().duty.overrides}>
            {overrides.error && !overrides.data && <Failure error={overrides.error} again={overrides.again} />}
            {overrides.data?.overrides.length === 0 && <p class="dim">{words().duty.noOverrides}</p>}
            <ul class="plain">
              {overrides.data?.overrides.map((item) => (
                <li key={item.name}>
                  <span class="grow wraps">
                    <b>{words().duty.did(words().duty.kinds[item.kind] ?? "", (item.recipients ?? []).map(called).join(", "))}</b>
                    <br />
                    <span class="dim">
                      {brief(item.startTime ?? "")} – {brief(item.endTime ?? "")}
                      {item.comment && ` · ${item.comment}`}
                    </span>
                  </span>
                  {may("recipients:write") && <Button onPress={() => end(item)}>{words().duty.takeBack}</Button>}
                </li>
              ))}
            </ul>
          </Section>
          <Section title={words().rotation.layers}>
            <ol class="layers">
              {rotation.layers.map((layer, index) => (
                <li key={index}>
                  <LayerText layer={layer} />
                </li>
              ))}
            </ol>
          </Section>
          <Facts>
            <Fact name={words().alarm.zone}>{rotation.timeZone}</Fact>
            <Fact name={words().rotation.owner}>{called(rotation.owner)}</Fact>
            <Fact name={words().rotation.changed}>
              <When at={rotation.updateTime} />
            </Fact>
            <Fact name={words().id}>
              <Copy text={rotation.name ?? ""} />
            </Fact>
          </Facts>
          <CommandLine line={`tocsin rotation preview ${id}`} />
        </>
      )}
    </Panel>
  );
}

/** A layer in words. */
function LayerText({ layer }: { layer: Layer }) {
  const who = (layer.participants ?? []).map((item) => item.recipients.map(called).join(" + "));
  return (
    <>
      <b>{layer.displayName || words().rotation.unnamed}</b>
      {who.length > 0 && <span>{who.join(" → ")}</span>}
      {who.length > 0 && <span class="dim">{words().rotation.every(layer.turnUnit ?? "DAYS", layer.turnCount ?? 1, layer.handOverTime ?? "", layer.handOverWeekday ?? 0)}</span>}
      {layer.calendarUrl && <span class="wraps">{layer.calendarUrl}</span>}
      {!layer.calendarUrl && (layer.shifts?.length ?? 0) > 0 && <span>{words().rotation.shiftCount(layer.shifts?.length ?? 0)}</span>}
      {(layer.hours?.length ?? 0) > 0 && <span class="dim">{hoursText(layer.hours ?? [])}</span>}
      {layer.end && <span class="dim">{words().rotation.ends(layer.end.replace("T", " "))}</span>}
      {layer.calendarState?.error && (
        <span class="wrong">
          <Mark tone="warn" /> {layer.calendarState.error}
        </span>
      )}
      {layer.calendarState?.unmatched?.map((text) => (
        <span class="wrong" key={text}>
          {words().rotation.unmatched(text)}
        </span>
      ))}
    </>
  );
}

