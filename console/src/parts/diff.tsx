/** The difference of two texts: what went and what came, by sign, colour and word, with the lines around. */

import { changesOnly, lineDiff, type DiffLine } from "../state/diff";
import { words } from "../words";

export function Diff({ before, after, label }: { before: string; after: string; label: string }) {
  const lines = changesOnly(lineDiff(before, after));
  if (!lines.some((line) => line.kind === "gone" || line.kind === "added")) return <p class="dim">{words().template.same}</p>;
  return (
    <div class="diff" role="group" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{words().template.oldLine}</th>
            <th scope="col">{words().template.newLine}</th>
            <th scope="col" aria-label={words().template.change} />
            <th scope="col">{words().template.lineText}</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line, at) => (
            <Line key={at} line={line} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Line({ line }: { line: DiffLine }) {
  if (line.kind === "gap") {
    return (
      <tr class="gap">
        <td colSpan={4}>{words().template.alike(line.count)}</td>
      </tr>
    );
  }
  return (
    <tr class={line.kind}>
      <td class="number">{"old" in line ? line.old : ""}</td>
      <td class="number">{"new" in line ? line.new : ""}</td>
      <td>
        {line.kind === "gone" && <span aria-label={words().template.gone}>−</span>}
        {line.kind === "added" && <span aria-label={words().template.added}>+</span>}
      </td>
      <td>
        <code dir="auto">{line.text}</code>
      </td>
    </tr>
  );
}
