/** What time it is: by the server, for a laptop's clock may be an hour off; and in which zone times are shown. */

import { signal } from "./signals";

const _offset = signal(0);

/** Milliseconds since 1970 by the server, once a second while the page is seen. */
export const now = signal(Date.now());

/** When the minute began that it is: for what would be drawn too often with the second. */
export const minute = signal(0);

function _tick(): void {
  now.value = serverNow();
  minute.value = Math.floor(now.value / 60_000) * 60_000;
}

setInterval(() => document.hidden || _tick(), 1000);
document.addEventListener("visibilitychange", _tick);

/** Notes what the `Date` header of an answer says. It has whole seconds: a difference below two from what is known is none. */
export function told(date: string | null): void {
  if (!date) return;
  const difference = Date.parse(date) + 500 - Date.now();
  if (!Number.isFinite(difference) || Math.abs(difference - _offset.value) < 2000) return;
  _offset.value = Math.abs(difference) < 2000 ? 0 : difference;
  _tick();
}

/** How far the browser's clock is behind the server's, in milliseconds; 0: as good as nothing. */
export const clockOffset = () => _offset.value;

/** The server's time at this moment, in milliseconds since 1970. */
export const serverNow = () => Date.now() + _offset.value;

_tick();

/** The instant `seconds` from now, as the API takes it. */
export function inSeconds(seconds: number): string {
  return new Date(serverNow() + seconds * 1000).toISOString();
}

const _ZONE = "tocsin.zone";

/** The zone of this browser; known once `findZone` is done, before anything is shown. */
export let ownZone = "UTC";

/** The zone in which times are shown. */
export const zone = signal("UTC");

/** Finds out both. A browser that is asked for the first time loads what it knows of zones and languages, which takes longer than anything else
 * here: it is a task of its own, while the page waits for the server.
 */
export async function findZone(): Promise<void> {
  await new Promise((turn) => setTimeout(turn));
  ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  zone.value = localStorage.getItem(_ZONE) ?? ownZone;
}

/** Shows times in the zone `name` from now on, in this browser. */
export function chooseZone(name: string): void {
  zone.value = name;
  if (name === ownZone) localStorage.removeItem(_ZONE);
  else localStorage.setItem(_ZONE, name);
}
