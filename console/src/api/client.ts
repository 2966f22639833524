/** The public API, typed by its own OpenAPI document. The browser's cookie says who calls. */

import type { FetchResponse, MaybeOptionalInit } from "openapi-fetch";
import type { HttpMethod, MediaType, PathsWithMethod, RequiredKeysOf } from "openapi-typescript-helpers";
import { told } from "../state/clock";
import { ended } from "../state/session";
import { ApiError, problemOf } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** A call by one HTTP method, with the types of openapi-fetch. Its own code, which can do much that this API does not need, is not loaded.
 *
 * @throws ApiError - it failed, or no answer came.
 */
type Caller<M extends HttpMethod> = <P extends PathsWithMethod<paths, M>, I extends MaybeOptionalInit<paths[P], M>>(path: P, ...init: Options<I>) => Promise<Data<paths[P][M], I>>;

/** What an operation answers. */
type Data<Operation, I> = Operation extends Record<string, unknown> ? NonNullable<FetchResponse<Operation, I, MediaType>["data"]> : never;

/** Options that are left out where none is needed; more may be there, or TypeScript could not tell what they are. */
type Options<I> = RequiredKeysOf<I> extends never ? [(I & { [key: string]: unknown })?] : [I & { [key: string]: unknown }];

/** What the code reads of the options of a call, whose types are exact. */
interface Init {
  params?: { path?: Record<string, unknown>; query?: Record<string, unknown> };
  body?: unknown;
  signal?: AbortSignal;
}

/** Reasons of answers of 401 to a proof that was wrong, and not to a session that is none. */
const _WRONG_PROOFS = ["SECOND_FACTOR_REFUSED", "CHALLENGE_VOID"];

/** A path of the document with its parameters in it. A parameter of the query that is a list is given once for each of its items. */
export function addressOf(path: string, { params }: Init): string {
  const query = Object.entries(params?.query ?? {})
    .flatMap(([name, value]) => [value].flat().map((item) => [name, item] as const))
    .filter(([, item]) => item !== undefined && item !== null)
    .map(([name, item]) => `${name}=${encodeURIComponent(String(item))}`);
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params?.path?.[name]))) + (query.length > 0 ? `?${query.join("&")}` : "");
}

/** What a request was answered with, read as JSON; `call` names it.
 *
 * @throws ApiError - it was refused, or no whole answer came.
 */
export async function answered(call: string, sent: Promise<Response>): Promise<unknown> {
  let response: Response;
  let said: unknown;
  try {
    response = await sent;
    const text = await response.text();
    said = response.ok ? text && JSON.parse(text) : _read(text);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(call, 0, "");
  }
  told(response.headers.get("date"));
  if (response.ok) return said;
  const problem = problemOf(call, response, said);
  if (problem.status === 401 && !_WRONG_PROOFS.includes(problem.reason)) ended();
  throw problem;
}

/** The document of a refusal; undefined where a proxy wrote it in some other way. */
function _read(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function _caller<M extends HttpMethod>(method: Uppercase<M>): Caller<M> {
  return ((path: string, init: Init = {}) => {
    const { body, signal = null } = init;
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    return answered(`${method} ${path}`, fetch(addressOf(path, init), { method, signal, credentials: "same-origin", ...json }));
  }) as Caller<M>;
}

/** The calls, such as `api.GET("/v1/alarms")`: each gives what the API answers. */
export const api = { GET: _caller<"get">("GET"), POST: _caller<"post">("POST"), PUT: _caller<"put">("PUT"), PATCH: _caller<"patch">("PATCH"), DELETE: _caller<"delete">("DELETE") };

/** The id in a resource name: "alarms/7" is "7". */
export function idOf(name: string | undefined): string {
  return name ? name.slice(name.lastIndexOf("/") + 1) : "";
}
