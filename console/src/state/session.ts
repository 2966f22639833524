/** Who looks: the session that the gateway holds. The script never sees a token. */

import { signal } from "./signals";
import { told } from "./clock";

/** Who is signed in. */
export interface Session {
  /** "users/…" or "apiKeys/…". */
  subject?: string;
  tenant?: string;
  scopes?: string[];
}

/** Who is signed in; undefined: not asked yet; null: nobody. */
export const session = signal<Session | null | undefined>(undefined);

/** Asks the gateway who is signed in. */
export async function ask(): Promise<void> {
  const response = await fetch("/session"); // as the page has asked for it already: with a header of its own it would be asked for twice
  told(response.headers.get("date"));
  session.value = response.ok ? ((await response.json()) as Session) : null;
  _asked = _askAddress(); // no page waits for it
}

let _asked = Promise.resolve();

/** The person's address, once it has been asked for; empty where it may not be read. */
export async function ownAddress(): Promise<string> {
  await _asked;
  return address.value;
}

async function _askAddress(): Promise<void> {
  const { subject } = session.value ?? {};
  if (!subject?.startsWith("users/") || !may("users:read")) return;
  const user = await fetch(`/v1/${subject}`, { credentials: "same-origin" }).catch(() => null);
  if (user?.ok) address.value = ((await user.json()) as { email?: string }).email ?? "";
}

/** What the last session was, so that a page stays as it is while nobody is signed in. */
let _last: Session = {};

/** The session is over: the page stays, so that nothing typed is lost, and asks to sign in again. */
export function ended(): void {
  if (!session.value) return;
  _last = session.value;
  session.value = null;
}

/** The person's address; empty until it is known, and where it may not be read. */
export const address = signal("");

/** Whether the session, or the one that has just ended, may do what needs `scope`. */
export function may(scope: string): boolean {
  return (session.value ?? _last).scopes?.includes(scope) ?? false;
}
