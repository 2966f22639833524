/** The schedules of all rotations, as the API has them. */

import { api } from "../api/client";
import type { Schedule } from "./duty";

const _MOST_PAGES = 10;

/** The schedules of all rotations from `start` to before `end`. */
export async function schedules(start: number, end: number, signal: AbortSignal): Promise<Schedule[]> {
  const found: Schedule[] = [];
  let pageToken = "";
  for (let page = 0; page < _MOST_PAGES; page++) {
    const query = { from: new Date(start).toISOString(), to: new Date(end).toISOString(), pageSize: 1000, pageToken };
    const part = await api.GET("/v1/onCall:preview", { params: { query }, signal });
    found.push(...part.schedules);
    pageToken = part.nextPageToken ?? "";
    if (!pageToken) break;
  }
  return found;
}
