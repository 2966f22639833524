/** The public API, typed by its own OpenAPI document. The browser's cookie says who calls. */

import createClient from "openapi-fetch";
import { told } from "../state/clock";
import { ended } from "../state/session";
import { ApiError, problemOf } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** A call of the API, such as `api.GET("/v1/alarms")`: its answer is `{data}`, and a failure is thrown by `answer`. */
export const api = createClient<paths>({ baseUrl: "/", credentials: "same-origin" });

api.use({
  async onResponse({ response }) {
    told(response.headers.get("date"));
    if (response.status === 401 && !_WRONG_PROOFS.has(await _reasonOf(response.clone()))) ended();
  },
});

/** Reasons of answers of 401 to a proof that was wrong, and not to a session that is none. */
const _WRONG_PROOFS = new Set(["SECOND_FACTOR_REFUSED", "CHALLENGE_VOID"]);

async function _reasonOf(response: Response): Promise<string> {
  return problemOf("", response, await response.json().catch(() => undefined)).reason;
}

/** The answer of a call.
 *
 * @throws ApiError - it failed, or no answer came.
 */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>, name: string): Promise<T> {
  let came;
  try {
    came = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(name, 0, "");
  }
  if (came.error !== undefined || !came.response.ok) throw problemOf(name, came.response, came.error);
  return came.data as T;
}

/** The id in a resource name: "alarms/7" is "7". */
export function idOf(name: string | undefined): string {
  return name ? name.slice(name.lastIndexOf("/") + 1) : "";
}
