/** The mesh as a drawing: services on an ellipse, calls between them as arrows with rate, errors and latency, from live traffic.
 *
 * Everybody may call everybody, so there are no layers to find; on an ellipse a service stays where it is while the traffic changes.
 */

import { words } from "../words";
import type { Tone } from "./mark";
import { lasting } from "../state/lasting";

/** A service: its processes, and how it is. */
export interface Box {
  name: string;
  tone: Tone;
  note: string;
}

/** Calls from one service to another. */
export interface Edge {
  from: string;
  to: string;
  /** Calls a second. */
  rate: number;
  /** Share of them that failed, 0 to 1. */
  errors: number;
  /** 99th percentile in milliseconds; undefined: no calls. */
  p99: number | undefined;
  tone: Tone;
}

interface Point {
  x: number;
  y: number;
}

const _BOX = { width: 132, height: 48 };
const _VIEW = { width: 960, height: 460 };
const _BEND = 26;

export function Topology({ boxes, edges, chosen }: { boxes: readonly Box[]; edges: readonly Edge[]; chosen: string }) {
  const places = _places(boxes.map((box) => box.name));
  return (
    <div class="topology">
      <svg viewBox={`0 0 ${_VIEW.width} ${_VIEW.height}`} role="group" aria-label={words().mesh.drawing}>
        <defs>
          <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto" markerUnits="userSpaceOnUse">
            <path d="M0 0l8 4-8 4z" class="tip" />
          </marker>
        </defs>
        {edges.map((edge) => {
          const [from, to] = [places.get(edge.from), places.get(edge.to)];
          if (!from || !to || from === to) return null;
          const { path, label } = _arrow(from, to);
          return (
            <g key={`${edge.from} ${edge.to}`} class={`edge ${edge.p99 === undefined ? "idle" : edge.tone}`}>
              <path d={path} marker-end="url(#tip)" style={{ strokeWidth: `${1 + Math.min(3, Math.log10(1 + edge.rate))}px` }} />
              {edge.p99 !== undefined && (
                <text x={label.x} y={label.y}>
                  {words().mesh.onEdge(edge.rate, edge.errors, lasting(edge.p99))}
                </text>
              )}
            </g>
          );
        })}
        {boxes.map((box) => {
          const at = places.get(box.name) as Point;
          return (
            <a key={box.name} href={`/console/mesh/${box.name}`} class={`box ${box.tone}${box.name === chosen ? " open" : ""}`}>
              <rect x={at.x - _BOX.width / 2} y={at.y - _BOX.height / 2} width={_BOX.width} height={_BOX.height} rx="4" />
              <text x={at.x} y={at.y - 3}>
                {box.name}
              </text>
              <text class="dim" x={at.x} y={at.y + 14}>
                {box.tone === "good" ? box.note : words().tones[box.tone]}
              </text>
            </a>
          );
        })}
      </svg>
    </div>
  );
}

/** Where each service stands: the gateway at the left, the others clockwise by name. */
function _places(names: readonly string[]): Map<string, Point> {
  const order = [...names].sort((one, other) => Number(other === "gateway") - Number(one === "gateway") || one.localeCompare(other));
  const [width, height] = [_VIEW.width / 2 - _BOX.width / 2 - 8, _VIEW.height / 2 - _BOX.height / 2 - 8];
  return new Map(
    order.map((name, index) => {
      const angle = Math.PI + (2 * Math.PI * index) / Math.max(1, order.length);
      return [name, { x: _VIEW.width / 2 + width * Math.cos(angle), y: _VIEW.height / 2 + height * Math.sin(angle) }];
    }),
  );
}

/** A bent arrow, so that the way back is another one; it ends at the edges of the boxes. */
function _arrow(from: Point, to: Point): { path: string; label: Point } {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const [across, along] = [-(to.y - from.y) / length, (to.x - from.x) / length];
  const bend = { x: (from.x + to.x) / 2 + across * _BEND * 2, y: (from.y + to.y) / 2 + along * _BEND * 2 };
  const [start, end] = [_border(from, bend), _border(to, bend)];
  // A quadratic curve passes half way to its control point; the words stand a third of the way, where those of the way back are not.
  const label = _at(start, bend, end, 0.42);
  return { path: `M${_text(start)}Q${_text(bend)} ${_text(end)}`, label };
}

/** Where the line from the middle of a box to `target` leaves the box. */
function _border(middle: Point, target: Point): Point {
  const [dx, dy] = [target.x - middle.x, target.y - middle.y];
  const share = Math.min(_BOX.width / 2 / Math.max(1e-6, Math.abs(dx)), _BOX.height / 2 / Math.max(1e-6, Math.abs(dy)));
  return { x: middle.x + dx * share, y: middle.y + dy * share };
}

function _at(start: Point, bend: Point, end: Point, t: number): Point {
  const mix = (a: number, b: number, c: number) => (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t ** 2 * c;
  return { x: mix(start.x, bend.x, end.x), y: mix(start.y, bend.y, end.y) };
}

function _text(point: Point): string {
  return `${point.x.toFixed(1)} ${point.y.toFixed(1)}`;
}
