/** Imports over REST: a text goes up, and a stream of counts comes back. */

import { ApiError, problemOf } from "../api/problem";
import { told } from "./clock";
import { wholeLines, type Importable } from "./lines";
import { NOTHING, advanced, type Progress } from "./progress";
import { ended } from "./session";

/** What can be imported. */
export const KINDS = ["recipients", "groups", "categories", "suppressions", "alarms"] as const;
export type ImportKind = (typeof KINDS)[number];

/** The scope that an import of each kind needs. */
export const SCOPES: Record<ImportKind, string> = {
  recipients: "recipients:write",
  groups: "recipients:write",
  categories: "recipients:write",
  suppressions: "recipients:write",
  alarms: "alarms:write",
};

/** Imports a text, or checks it; tells of each message as it comes, and gives the last one.
 *
 * @throws ApiError - it was refused as a whole, or the stream broke off: what `tell` heard last holds.
 */
export async function runImport(
  kind: ImportKind,
  { type, text }: Importable,
  { check, skip, tell, signal }: { check: boolean; skip: number; tell: (progress: Progress) => void; signal: AbortSignal },
): Promise<Progress> {
  const call = `POST /v1/${kind}:import`;
  const query = new URLSearchParams({ "options.validateOnly": String(check), "options.skipLines": String(skip) });
  let progress = NOTHING;
  try {
    const response = await fetch(`/v1/${kind}:import?${query}`, {
      method: "POST",
      headers: { "content-type": type, accept: "application/x-ndjson" },
      credentials: "same-origin",
      body: text,
      signal,
    });
    told(response.headers.get("date"));
    if (response.status === 401) ended();
    if (!response.ok || !response.body) throw problemOf(call, response, await response.json().catch(() => null));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      const came = wholeLines(rest + (value ?? "") + (done ? "\n" : ""));
      rest = came.rest;
      for (const line of came.lines) {
        if (_isProblem(line)) throw problemOf(call, response, JSON.parse(line));
        progress = advanced(progress, line);
        tell(progress);
      }
      if (done) break;
    }
  } catch (error) {
    if (error instanceof ApiError || (error instanceof DOMException && error.name === "AbortError")) throw error;
    throw new ApiError(call, 0, "");
  }
  if (!progress.done) throw new ApiError(call, 0, "");
  return progress;
}

/** A stream that fails says so in its last line. */
function _isProblem(line: string): boolean {
  const said = JSON.parse(line) as { code?: unknown; error?: unknown };
  return said.code !== undefined || said.error !== undefined;
}
