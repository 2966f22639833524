/** Which mails of the development inbox were seen in this browser. */

import { signal } from "./signals";

const _SEEN = "tocsin.inbox.seen";

/** When the newest mail that was looked at came; ISO 8601. */
export const seenUntil = signal(localStorage.getItem(_SEEN) ?? "");
/** When each of the newest mails came. */
export const received = signal<readonly string[]>([]);
/** How many came since. */
export const unread = () => received.value.filter((time) => time > seenUntil.value).length;

/** Everything that came until now has been seen. */
export function allSeen(): void {
  const newest = received.value.reduce((latest, time) => (time > latest ? time : latest), seenUntil.value);
  seenUntil.value = newest;
  localStorage.setItem(_SEEN, newest);
}
