/** Who is on call, as a calendar: weeks of seven days, in each a lane for every rotation. Dragging over a lane chooses a time; arrows go from shift to shift. */

import { useRef, useState } from "preact/hooks";
import { instantAt, piecesOf, placeIn, type Span, type Week } from "../state/calendar";
import { minute } from "../state/clock";
import { called } from "../state/directory";
import { isGap, type Duty } from "../state/duty";
import { language, words } from "../words";
import { brief } from "./when";

/** A rotation in the calendar. */
export interface Lane {
  rotation: string;
  label: string;
  duties: readonly Duty[];
  /** Why its schedule cannot be shown. */
  error: string;
}


const _FEW_PX = 4; // less than this is a click
const _LEAST_MS = 3_600_000;

export function Calendar({
  weeks,
  lanes,
  person,
  href,
  choose,
}: {
  weeks: readonly Week[];
  lanes: readonly Lane[];
  /** Whose shifts stand out. */
  person: string;
  /** Where a shift leads. */
  href: (duty: Duty) => string;
  /** A time was chosen by dragging; undefined: none can be. */
  choose?: ((rotation: string, span: Span) => void) | undefined;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [chosen, setChosen] = useState<(Span & { rotation: string }) | null>(null);
  const [stop, setStop] = useState("");
  const keys = weeks.flatMap((week, row) => lanes.flatMap((lane) => _shown(week, lane).map((piece) => _key(row, piece.of))));
  const tabStop = keys.includes(stop) ? stop : keys[0];
  const drag = (event: PointerEvent, rotation: string) => {
    if (event.button !== 0 || !choose) return;
    const [x, y] = [event.clientX, event.clientY];
    const first = _instant(box.current, weeks, rotation, x, y);
    let span: Span | null = null;
    const move = (to: PointerEvent) => {
      if (!span && Math.hypot(to.clientX - x, to.clientY - y) < _FEW_PX) return;
      const other = _instant(box.current, weeks, rotation, to.clientX, to.clientY);
      span = { start: Math.min(first, other), end: Math.max(first, other, Math.min(first, other) + _LEAST_MS) };
      setChosen({ ...span, rotation });
    };
    const end = (taken: boolean) => {
      listening.abort();
      setChosen(null);
      if (!span || !taken) return;
      // The click that follows is no press on the shift below.
      const swallow = (click: Event) => (click.preventDefault(), click.stopPropagation());
      window.addEventListener("click", swallow, { capture: true, once: true });
      window.setTimeout(() => window.removeEventListener("click", swallow, { capture: true }));
      choose(rotation, span);
    };
    const listening = new AbortController();
    const during = { signal: listening.signal };
    window.addEventListener("pointermove", move, during);
    window.addEventListener("pointerup", () => end(true), during);
    window.addEventListener("pointercancel", () => end(false), during);
    window.addEventListener("keydown", (key) => key.key === "Escape" && (key.stopPropagation(), end(false)), { ...during, capture: true });
  };
  return (
    <div class="calendar" ref={box} role="group" aria-label={words().duty.calendar} onKeyDown={_walk}>
      {weeks.map((week, row) => (
        <div class="week" key={week[0]?.wall}>
          <div class="days">
            {week.map((day) => (
              <span key={day.wall} class={minute.value >= day.start && minute.value < day.end ? "today" : ""}>
                {_dayName(day.wall)}
                {day.longer !== 0 && <em title={words().duty.clocks(day.longer / 3_600_000)}>{24 + day.longer / 3_600_000} h</em>}
              </span>
            ))}
          </div>
          {lanes.map((lane) => (
            <div class="lane" key={lane.rotation}>
              <b title={lane.label}>{lane.label}</b>
              <div class={choose ? "track free" : "track"} data-track={lane.rotation} data-row={row} onPointerDown={(event) => drag(event, lane.rotation)}>
                {lane.error && <span class="wrong">{lane.error}</span>}
                {_shown(week, lane).map(({ of, from, width, begins, ends }) => (
                  <a
                    key={_key(row, of)}
                    class={_class(of, person, begins, ends)}
                    style={{ left: `${from * 100}%`, width: `${width * 100}%` }}
                    href={href(of)}
                    draggable={false}
                    data-shift={`${lanes.indexOf(lane)}`}
                    tabIndex={_key(row, of) === tabStop ? 0 : -1}
                    onFocus={() => setStop(_key(row, of))}
                    title={_says(of)}
                    aria-label={`${lane.label}: ${_says(of)}`}
                  >
                    <span>{isGap(of) ? words().duty.nobody : of.recipients.map(called).join(", ")}</span>
                  </a>
                ))}
                {chosen?.rotation === lane.rotation &&
                  piecesOf(week, [chosen]).map(({ from, width }) => <i key="chosen" class="chosen" style={{ left: `${from * 100}%`, width: `${width * 100}%` }} />)}
                {_isNow(week) && <i class="now" style={{ left: `${placeIn(week, minute.value) * 100}%` }} />}
              </div>
            </div>
          ))}
        </div>
      ))}
    </div>
  );
}

/** What of a lane is drawn in a week: whoever is on call, and gaps; not the hours that are nobody's. */
function _shown(week: Week, lane: Lane) {
  return piecesOf(week, lane.duties).filter(({ of }) => of.recipients.length > 0 || isGap(of));
}

function _isNow(week: Week): boolean {
  return minute.value >= (week[0]?.start ?? 0) && minute.value < (week.at(-1)?.end ?? 0);
}

function _key(row: number, duty: Duty): string {
  return `${row} ${duty.rotation} ${duty.start}`;
}

function _class(duty: Duty, person: string, begins: boolean, ends: boolean): string {
  const kinds = {
    gap: isGap(duty),
    override: duty.overrides.length > 0 && !isGap(duty),
    theirs: person !== "" && duty.recipients.includes(person),
    others: person !== "" && !duty.recipients.includes(person),
    begins,
    ends,
  };
  return ["shift", ...Object.entries(kinds).flatMap(([name, is]) => (is ? [name] : []))].join(" ");
}

/** What a shift says whole. */
function _says(duty: Duty): string {
  const who = isGap(duty) ? words().duty.nobody : duty.recipients.map(called).join(", ");
  const why = [duty.layer, duty.overrides.length > 0 ? words().duty.override : "", ...duty.labels.filter((label) => label !== "GAP").map((label) => words().duty.labels[label] ?? "")];
  return [`${who}, ${brief(duty.start)} – ${brief(duty.end)}`, ...why.filter(Boolean)].join(" · ");
}

/** The day of a week and its date; where a month begins, its name instead of the day's. */
function _dayName(wall: number): string {
  const first = new Date(wall).getUTCDate() === 1;
  return new Intl.DateTimeFormat(language.value, { day: "numeric", ...(first ? { month: "short" as const } : { weekday: "short" as const }), timeZone: "UTC" }).format(wall);
}

/** The instant below a point of the screen, in the lane of a rotation; the nearest week where the point is outside of all. */
function _instant(box: HTMLElement | null, weeks: readonly Week[], rotation: string, x: number, y: number): number {
  const tracks = [...(box?.querySelectorAll<HTMLElement>(`[data-track="${CSS.escape(rotation)}"]`) ?? [])];
  const away = (track: HTMLElement) => {
    const { top, bottom } = track.getBoundingClientRect();
    return Math.max(top - y, y - bottom, 0);
  };
  const track = tracks.reduce((best, next) => (away(next) < away(best) ? next : best));
  const { left, width } = track.getBoundingClientRect();
  return instantAt(weeks[Number(track.dataset["row"])] as Week, (x - left) / width);
}

/** Arrows: left and right to the shift before and behind in its rotation, up and down to another lane. */
function _walk(event: KeyboardEvent): void {
  const from = event.target as HTMLElement;
  const lane = from.dataset["shift"];
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (lane === undefined || !by || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const box = event.currentTarget as HTMLElement;
  const along = event.key === "ArrowRight" || event.key === "ArrowLeft";
  if (along) {
    const shifts = [...box.querySelectorAll<HTMLElement>(`[data-shift="${lane}"]`)];
    shifts[shifts.indexOf(from) + by]?.focus();
    return;
  }
  const lanes = [...box.querySelectorAll<HTMLElement>(".lane")].filter((item) => item.querySelector("[data-shift]"));
  const next = lanes[lanes.findIndex((item) => item.contains(from)) + by];
  const middle = from.getBoundingClientRect();
  const gap = (item: HTMLElement) => Math.abs(item.getBoundingClientRect().left - middle.left);
  [...(next?.querySelectorAll<HTMLElement>("[data-shift]") ?? [])].sort((one, other) => gap(one) - gap(other))[0]?.focus();
}
