/** Short messages at the edge of the page: what was done, with "undo" where it can be undone, and what failed. */

import { signal } from "./signals";

/** One message. */
export interface Notice {
  id: number;
  text: string;
  bad?: boolean;
  undo?: () => Promise<unknown>;
  /** What else can be done about it; it stays until it is done or put away. */
  offer?: { word: string; run: () => unknown };
}

/** Those on the screen, the oldest first. */
export const notices = signal<readonly Notice[]>([]);

const _SHOWN_MS = 8000;
let _last = 0;

/** Shows a message for eight seconds; a bad one, and one with an offer, until it is put away. */
export function notify(notice: Omit<Notice, "id">): void {
  const id = ++_last;
  notices.value = [...notices.value, { ...notice, id }].slice(-4);
  if (!notice.bad && !notice.offer) window.setTimeout(() => dismiss(id), _SHOWN_MS);
}

/** Puts a message away. */
export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}
