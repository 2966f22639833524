/** On call: what is not covered, who has it now, and the calendar of everybody. */

import { useLocation } from "../state/location";
import { useEffect, useRef, useState } from "preact/hooks";
import { AsOf, Empty, Head, Section, Shape } from "../parts/basics";
import { Calendar } from "../parts/calendar";
import { Mark } from "../parts/mark";
import { OverrideForm } from "../parts/override-form";
import { Panel } from "../parts/panel";
import { RotationForm } from "../parts/rotation-form";
import { RotationPanel } from "../parts/rotation-panel";
import { Tabs } from "../parts/tabs";
import { When, brief } from "../parts/when";
import { mondayOf, turned, wallOf, weeksOf, type View } from "../state/calendar";
import { inSeconds, minute, ownZone, serverNow, chooseZone, zone } from "../state/clock";
import { called, lookUp, useDirectory } from "../state/directory";
import { dutiesOf, gapsOf, loadsOf, nextEnd, standingOf, type Duty, type Schedule } from "../state/duty";
import { lasting } from "../state/lasting";
import { useLoaded } from "../state/loaded";
import { schedules } from "../state/schedules";
import { may } from "../state/session";
import { language, words } from "../words";

const _DAY = 86_400_000;
const _AHEAD = 28 * _DAY;
/** After a change; with the fifth of a second in which changes are gathered, it is seen within one. */
const _SOON = 200;
const _HERE = "/console/on-call";

/** An address of this page. */
export function onCallAt(rotation: string, query: Record<string, string | undefined>): string {
  const tail = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [value ? `${name}=${encodeURIComponent(value)}` : name]));
  return `${_HERE}${rotation ? `/${encodeURIComponent(rotation)}` : ""}${tail.length > 0 ? `?${tail.join("&")}` : ""}`;
}

export default function OnCall({ params }: { params?: { id?: string } }) {
  const { query, route } = useLocation();
  useDirectory();
  const id = params?.id ?? "";
  const view: View = query["view"] === "month" ? "month" : "weeks";
  const today = wallOf(minute.value, zone.value);
  const at = Date.parse(`${query["at"] ?? ""}T00:00Z`) || mondayOf(today);
  const person = query["person"] ?? "";
  const keep = { view: view === "month" ? "month" : undefined, at: query["at"], person: person || undefined };
  const weeks = weeksOf(view, at, zone.value);
  const [start, end] = [weeks[0]?.[0]?.start ?? 0, weeks.at(-1)?.at(-1)?.end ?? 0];
  const ahead = useLoaded((signal) => schedules(Date.parse(inSeconds(0)), minute.value + _AHEAD, signal), [], ["rotation"], _SOON);
  const seen = useLoaded((signal) => schedules(start, end, signal), [start, end], ["rotation"], _SOON);
  const again = () => (ahead.again(), seen.again());
  useEffect(() => void lookUp((seen.data ?? []).flatMap((schedule) => (schedule.intervals ?? []).flatMap((interval) => interval.recipients ?? []))), [seen.data]);
  const last = useRef<readonly Schedule[]>([]);
  if (seen.data) last.current = seen.data;
  const all = seen.error && !seen.data ? [] : last.current; // other weeks come without the lanes going away meanwhile
  const mine = id ? all.filter((schedule) => schedule.rotation === `rotations/${id}`) : all;
  const write = may("recipients:write");
  const panel = id !== "" || query["add"] !== undefined || query["override"] !== undefined;
  const back = onCallAt("", keep);
  const turn = (by: 1 | -1) => onCallAt(id, { ...keep, at: new Date(turned(view, at, by)).toISOString().slice(0, 10) });
  const changed = (to: string) => {
    again();
    route(to);
  };
  return (
    <>
      <Head title={words().pages.onCall}>
        {write && all.length > 0 && (
          <>
            <a class="button" href={onCallAt("", { ...keep, add: "" })}>
              {words().rotation.add}
            </a>
            <a class="button main" href={onCallAt(id, { ...keep, override: "" })}>
              {words().duty.addOverride}
            </a>
          </>
        )}
      </Head>
      <Tabs of="/console/on-call" first={words().duty.calendar} />
      <AsOf of={{ ...seen, again }} />
      <div class={panel ? "beside" : "alone"}>
        <div class="stack whole">
          {!seen.data && !seen.error && all.length === 0 && <Shape />}
          {seen.data && all.length === 0 && (
            <Empty sentence={words().rotation.none} line="tocsin rotation apply shop.yaml">
              {write && (
                <a class="button main" href="/console/on-call-setup">
                  {words().setup.title}
                </a>
              )}
            </Empty>
          )}
          {all.length > 0 && (
            <>
              {ahead.data && <Gaps all={ahead.data} keep={keep} />}
              {ahead.data && <Now all={ahead.data} open={id} keep={keep} />}
              <section class="section" aria-label={words().duty.calendar}>
                <div class="bar">
                  <a class="button" href={turn(-1)} aria-label={words().duty.earlier}>
                    ‹
                  </a>
                  <a class="button" href={onCallAt(id, { ...keep, at: undefined })}>
                    {words().duty.today}
                  </a>
                  <a class="button" href={turn(1)} aria-label={words().duty.later}>
                    ›
                  </a>
                  <h2>{_rangeName(view, at, start, end)}</h2>
                  <div class="actions">
                    {(["weeks", "month"] as const).map((each) => (
                      <a key={each} class="chip" aria-current={view === each ? "true" : undefined} href={onCallAt(id, { ...keep, view: each === "month" ? "month" : undefined })}>
                        {words().duty.views[each]}
                      </a>
                    ))}
                    <select class="narrow" aria-label={words().settings.zone} value={zone.value} onChange={(event) => chooseZone(event.currentTarget.value)}>
                      {[...new Set([zone.value, ownZone, "UTC", ...all.map((schedule) => schedule.timeZone ?? "UTC")])].map((name) => (
                        <option key={name}>{name}</option>
                      ))}
                    </select>
                  </div>
                </div>
                {weeks.flat().some((day) => day.longer !== 0) && <p class="said">{weeks.flat().flatMap((day) => (day.longer ? [words().duty.clocksOn(_date(day.wall), day.longer / 3_600_000)] : [])).join(" ")}</p>}
                <Calendar
                  weeks={weeks}
                  lanes={mine.map((schedule) => ({ rotation: schedule.rotation ?? "", label: schedule.displayName || (schedule.rotation ?? "").slice(10), duties: dutiesOf(schedule), error: schedule.error ?? "" }))}
                  person={person}
                  href={(duty) => _override(duty.rotation, duty, keep, write)}
                  choose={write ? (rotation, span) => route(_override(rotation, span, keep, true)) : undefined}
                />
                {write && <p class="dim">{words().duty.howToDrag}</p>}
              </section>
              <People all={mine} person={person} at={(who) => onCallAt(id, { ...keep, person: who === person ? undefined : who })} />
            </>
          )}
        </div>
        {query["add"] !== undefined ? (
          <Panel title={words().rotation.add} back={back}>
            <RotationForm done={(rotation) => changed(`/console/on-call/${rotation.name?.slice(10)}`)} />
          </Panel>
        ) : query["override"] !== undefined && all.length > 0 ? (
          <Panel title={words().duty.addOverride} back={onCallAt(id, keep)}>
            <OverrideForm
              key={`${id} ${query["from"]} ${query["to"]}`}
              rotation={id ? `rotations/${id}` : (all[0]?.rotation ?? "")}
              rotations={all.map((schedule) => schedule.rotation ?? "")}
              from={query["from"]}
              to={query["to"]}
              done={(rotation) => changed(onCallAt(rotation.slice(10), keep))}
              again={again}
            />
          </Panel>
        ) : (
          id && <RotationPanel key={id} id={id} back={back} keep={keep} changed={again} />
        )}
      </div>
    </>
  );
}

type Keep = Record<string, string | undefined>;

/** Where an override of a time is made. */
function _override(rotation: string, span: { start: number; end: number }, keep: Keep, write: boolean): string {
  const id = rotation.slice(10);
  if (!write || span.end <= minute.value) return onCallAt(id, keep);
  const [from, to] = [Math.max(span.start, minute.value + 60_000), span.end];
  return onCallAt(id, { ...keep, override: "", from: new Date(from).toISOString(), to: new Date(to).toISOString() });
}

/** Times at which nobody is on call, the soonest first; or one quiet line. */
function Gaps({ all, keep }: { all: readonly Schedule[]; keep: Keep }) {
  const gaps = gapsOf(all).filter((gap) => gap.end > minute.value);
  const unknown = all.filter((schedule) => schedule.intervals?.some((interval) => interval.labels?.includes("UNKNOWN_RECIPIENT")));
  const failed = all.filter((schedule) => schedule.error);
  if (gaps.length + unknown.length + failed.length === 0) {
    return (
      <p class="standing">
        <Mark tone="good" /> {words().duty.covered}
      </p>
    );
  }
  return (
    <Section title={words().duty.gaps}>
      <ul class="plain">
        {gaps.slice(0, 8).map((gap) => (
          <li key={`${gap.rotation} ${gap.start}`}>
            <Mark tone="bad" />
            <span class="grow wraps" title={`${brief(gap.start)} – ${brief(gap.end)}`}>
              <b>{called(gap.rotation)}</b> {gap.start <= minute.value ? words().duty.gapNow(brief(gap.end)) : `${brief(gap.start)} – ${brief(gap.end)}`} <span class="dim">{lasting(gap.end - gap.start)}</span>
            </span>
            {may("recipients:write") && (
              <a class="button" href={_override(gap.rotation, gap, keep, true)} aria-label={words().duty.coverOf(called(gap.rotation), brief(gap.start))}>
                {words().duty.cover}
              </a>
            )}
          </li>
        ))}
        {gaps.length > 8 && <li class="dim">{words().duty.more(gaps.length - 8)}</li>}
        {unknown.map((schedule) => (
          <li key={schedule.rotation}>
            <Mark tone="warn" />
            <a href={onCallAt((schedule.rotation ?? "").slice(10), keep)}>{words().duty.unknownIn(called(schedule.rotation))}</a>
          </li>
        ))}
        {failed.map((schedule) => (
          <li key={schedule.rotation}>
            <Mark tone="warn" />
            <span class="grow">
              <b>{called(schedule.rotation)}</b> {schedule.error}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** Who has it now, until when, and who comes then. */
function Now({ all, open, keep }: { all: readonly Schedule[]; open: string; keep: Keep }) {
  const instant = useHandOver(all);
  return (
    <Section title={words().duty.now}>
      <table class="duty">
        <thead>
          <tr>
            <th>{words().rotation.one}</th>
            <th>{words().duty.who}</th>
            <th>{words().duty.until}</th>
            <th class="wide">{words().duty.then}</th>
          </tr>
        </thead>
        <tbody>
          {all.map((schedule) => {
            const { now: has, next, until } = standingOf(schedule, Math.max(instant, Date.parse(schedule.intervals?.[0]?.startTime ?? "") || 0));
            return (
              <tr key={schedule.rotation} class={schedule.rotation === `rotations/${open}` ? "open" : ""}>
                <td>
                  <a href={onCallAt((schedule.rotation ?? "").slice(10), keep)}>{called(schedule.rotation)}</a>
                </td>
                <td class={has && has.recipients.length > 0 ? "strong" : "dim"}>{_who(has)}</td>
                <td>{until !== undefined ? <When at={new Date(until).toISOString()} /> : "–"}</td>
                <td class="wide dim">{next && next.recipients.length > 0 ? _who(next) : next ? words().duty.nobody : "–"}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Section>
  );
}

/** The instant that it is, anew each minute and whenever somebody hands over. */
function useHandOver(all: readonly Schedule[]): number {
  const [passed, setPassed] = useState(serverNow);
  const instant = Math.max(passed, minute.value);
  const next = nextEnd(all, instant);
  useEffect(() => {
    const wait = Math.min(next - serverNow(), _DAY); // a browser's timers end at 24 days
    const timer = window.setTimeout(() => setPassed(serverNow()), Math.max(wait, 0));
    return () => window.clearTimeout(timer);
  }, [next, passed]);
  return instant;
}

function _who(duty: Duty | undefined): string {
  return duty && duty.recipients.length > 0 ? duty.recipients.map(called).join(", ") : words().duty.nobody;
}

/** Everybody's shifts in what the calendar shows. */
function People({ all, person, at }: { all: readonly Schedule[]; person: string; at: (who: string) => string }) {
  const loads = loadsOf(all);
  if (loads.length === 0) return null;
  const most = Math.max(...loads.map((load) => load.length));
  const own = loads.find((load) => load.person === person);
  return (
    <Section title={words().duty.people} note={words().duty.inView}>
      <table class="duty">
        <thead>
          <tr>
            <th>{words().duty.who}</th>
            <th class="number">{words().duty.shifts}</th>
            <th class="number">{words().duty.hours}</th>
            <th class="wide">{words().duty.share}</th>
            <th class="wide">{words().duty.twice}</th>
          </tr>
        </thead>
        <tbody>
          {loads.slice(0, 50).map((load) => (
            <tr key={load.person} class={load.person === person ? "open" : ""}>
              <td>
                <a href={at(load.person)} aria-current={load.person === person ? "true" : undefined}>
                  {called(load.person)}
                </a>
              </td>
              <td class="number">{load.shifts.length}</td>
              <td class="number">{Math.round(load.length / 3_600_000)} h</td>
              <td class="wide">
                <i class="share" style={{ width: `${(100 * load.length) / most}%` }} />
              </td>
              <td class="wide dim">{load.twice.length > 0 ? words().duty.times(load.twice.length) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {own && (
        <>
          <h3>{words().duty.shiftsOf(called(own.person))}</h3>
          <ul class="plain">
            {own.shifts.slice(0, 60).map((shift) => (
              <li key={`${shift.rotation} ${shift.start}`}>
                <span class="grow">
                  {brief(shift.start)} – {brief(shift.end)}
                </span>
                <span class="dim">
                  {called(shift.rotation)} · {lasting(shift.end - shift.start)}
                </span>
              </li>
            ))}
          </ul>
          <p>
            <a class="button" href={at(own.person)}>
              {words().close}
            </a>
          </p>
        </>
      )}
    </Section>
  );
}

function _date(wall: number): string {
  return new Intl.DateTimeFormat(language.value, { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" }).format(wall);
}

/** What the calendar shows: "30 Nov – 13 Dec 2026", or the month. */
function _rangeName(view: View, at: number, start: number, end: number): string {
  if (view === "month") return new Intl.DateTimeFormat(language.value, { month: "long", year: "numeric", timeZone: "UTC" }).format(at);
  return new Intl.DateTimeFormat(language.value, { day: "numeric", month: "short", year: "numeric", timeZone: zone.value }).formatRange(start, end - 1);
}
