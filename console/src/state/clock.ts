/** What time it is: by the server, for a laptop's clock may be an hour off; and in which zone times are shown. */

import { computed, effect, signal } from "@preact/signals";

const _offset = signal(0);

/** Milliseconds since 1970 by the server, once a second while the page is seen. */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now() + _offset.value;
}, 1000);
document.addEventListener("visibilitychange", () => (now.value = Date.now() + _offset.value));

/** Notes what the `Date` header of an answer says. It has whole seconds: a difference below two from what is known is none. */
export function told(date: string | null): void {
  if (!date) return;
  const difference = Date.parse(date) + 500 - Date.now();
  if (!Number.isFinite(difference) || Math.abs(difference - _offset.value) < 2000) return;
  _offset.value = Math.abs(difference) < 2000 ? 0 : difference;
  now.value = serverNow();
}

/** How far the browser's clock is behind the server's, in milliseconds; 0: as good as nothing. */
export const clockOffset = computed(() => _offset.value);

/** The server's time at this moment, in milliseconds since 1970. */
export const serverNow = () => Date.now() + _offset.value;

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
  effect(() => {
    if (zone.value === ownZone) localStorage.removeItem(_ZONE);
    else localStorage.setItem(_ZONE, zone.value);
  });
}
