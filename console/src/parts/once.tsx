/** A secret that is shown this once: to copy, and to keep as a file. */

import { Copy } from "./basics";
import { words } from "../words";

export function Once({ title, lines, file, done }: { title: string; lines: readonly string[]; file?: string; done: () => void }) {
  const text = `${lines.join("\n")}\n`;
  return (
    <div class="said once" role="status">
      <p>
        <b>{title}</b> {words().access.shownOnce}
      </p>
      {lines.length === 1 ? (
        <Copy text={lines[0] ?? ""} />
      ) : (
        <ul class="codes">
          {lines.map((line) => (
            <li key={line}>
              <code>{line}</code>
            </li>
          ))}
        </ul>
      )}
      <div class="actions">
        {lines.length > 1 && <Copy text={text} shown={words().factors.allCodes} />}
        {file && (
          <a class="button" download={file} href={`data:text/plain;charset=utf-8,${encodeURIComponent(text)}`}>
            {words().factors.download}
          </a>
        )}
        <button type="button" class="button" onClick={done}>
          {words().factors.kept}
        </button>
      </div>
    </div>
  );
}
