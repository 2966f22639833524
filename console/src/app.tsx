/** The frame of every page: who looks, where one can go, and how current it all is. */

import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { listen, liveness } from "./api/live";
import { Question } from "./parts/ask";
import { Mark } from "./parts/mark";
import { Notices } from "./parts/notices";
import { Proof } from "./parts/proof";
import { Palette, openPalette } from "./parts/palette";
import Now from "./pages/now";
import { SignedOut } from "./pages/signed-out";
import { unread } from "./state/inbox";
import { followLinks, useLocation } from "./state/location";
import { may, session } from "./state/session";
import { signal } from "./state/signals";
import { gone } from "./state/version";
import { language, learnOthers, words } from "./words";

/** The groups of the menu, in their order. The first is at hand on a phone, where the others are behind "Menu". */
const _GROUPS = ["watch", "work", "people", "run"] as const;

/** A page of the console: its path, the scope that it needs, its group in the menu, and its name. */
export interface Place {
  path: string;
  scope: string;
  group: (typeof _GROUPS)[number];
  name: () => string;
  page: keyof Pages;
  /** A page of its own that the menu leads to by this place, which stands before it. */
  under?: string;
}

type Page = ComponentType<{ params?: { id?: string } }>;
type Pages = typeof import("./pages/daily") & typeof import("./pages/run") & { Now: Page };

/** What was loaded of the pages; the first is there from the beginning, the others and what they say come together. */
const _pages = signal<Partial<Pages>>({ Now });
const _FILES = { daily: () => import("./pages/daily"), run: () => import("./pages/run") };
const _coming: Partial<Record<keyof typeof _FILES, Promise<void> | undefined>> = {};

/** Loads the pages of a file, once; what failed is tried again when the next one of them is opened. */
function _load(file: keyof typeof _FILES): Promise<void> {
  return (_coming[file] ??= Promise.all([_FILES[file](), learnOthers()]).then(
    ([pages]) => void (_pages.value = { ..._pages.value, ...pages }),
    (error: unknown) => {
      _coming[file] = undefined;
      throw error;
    },
  ));
}

/** Loads those of each day at the first sign of somebody, who may go to one of them next; whoever only looks waits for nothing of it. */
function _loadAhead(): void {
  for (const sign of ["pointerover", "keydown"]) addEventListener(sign, () => void _load("daily").catch(() => undefined), { once: true, passive: true });
}

/** All pages; within a group, in the order of the menu. */
export const PLACES: readonly Place[] = [
  { path: "/console", scope: "", group: "watch", name: () => words().pages.now, page: "Now" },
  { path: "/console/incidents", scope: "incidents:read", group: "watch", name: () => words().pages.incidents, page: "Incidents" },
  { path: "/console/silences", scope: "incidents:read", group: "watch", name: () => words().pages.silences, page: "Silences", under: "/console/incidents" },
  { path: "/console/alarms", scope: "alarms:read", group: "work", name: () => words().pages.alarms, page: "Alarms" },
  { path: "/console/firings", scope: "firings:read", group: "work", name: () => words().pages.firings, page: "Firings" },
  { path: "/console/deliveries", scope: "deliveries:read", group: "work", name: () => words().pages.deliveries, page: "Deliveries" },
  { path: "/console/templates", scope: "templates:read", group: "work", name: () => words().pages.templates, page: "Templates" },
  { path: "/console/recipients", scope: "recipients:read", group: "people", name: () => words().pages.people, page: "People" },
  { path: "/console/groups", scope: "recipients:read", group: "people", name: () => words().person.tabs.groups, page: "Groups", under: "/console/recipients" },
  { path: "/console/import", scope: "recipients:write", group: "people", name: () => words().person.tabs.import, page: "Imports", under: "/console/recipients" },
  { path: "/console/inbox", scope: "inbox:read", group: "watch", name: () => words().pages.inbox, page: "Inbox" },
  { path: "/console/on-call", scope: "recipients:read", group: "watch", name: () => words().pages.onCall, page: "OnCall" },
  { path: "/console/policies", scope: "incidents:read", group: "watch", name: () => words().pages.policies, page: "Policies", under: "/console/on-call" },
  { path: "/console/on-call-setup", scope: "recipients:write", group: "watch", name: () => words().setup.title, page: "OnCallSetup", under: "/console/on-call" },
  { path: "/console/integrations", scope: "incidents:read", group: "work", name: () => words().pages.integrations, page: "Integrations" },
  { path: "/console/heartbeats", scope: "alarms:read", group: "work", name: () => words().pages.heartbeats, page: "Heartbeats", under: "/console/integrations" },
  { path: "/console/readings", scope: "alarms:read", group: "work", name: () => words().pages.readings, page: "Readings", under: "/console/integrations" },
  { path: "/console/events", scope: "events:read", group: "work", name: () => words().pages.events, page: "Events", under: "/console/integrations" },
  { path: "/console/mesh", scope: "mesh:read", group: "run", name: () => words().pages.mesh, page: "Mesh" },
  { path: "/console/access/roles", under: "/console/access", scope: "users:read", group: "run", name: () => words().pages.roles, page: "Roles" },
  { path: "/console/access/programs", under: "/console/access", scope: "users:read", group: "run", name: () => words().pages.programs, page: "Programs" },
  { path: "/console/access/keys", under: "/console/access", scope: "keys:read", group: "run", name: () => words().pages.keys, page: "AllKeys" },
  { path: "/console/access/sign-in", under: "/console/access", scope: "identities:read", group: "run", name: () => words().pages.issuers, page: "IdentityProviders" },
  { path: "/console/access", scope: "users:read", group: "run", name: () => words().pages.access, page: "Access" },
  { path: "/console/audit", scope: "audit:read", group: "run", name: () => words().pages.audit, page: "Audit" },
  { path: "/console/tenants", scope: "tenants:read", group: "run", name: () => words().pages.tenants, page: "Tenants" },
  { path: "/console/providers", scope: "providers:read", group: "run", name: () => words().pages.providers, page: "Providers" },
  { path: "/console/settings/security", under: "/console/settings", scope: "account:read", group: "run", name: () => words().pages.security, page: "Security" },
  { path: "/console/settings/tenant", under: "/console/settings", scope: "tenant:read", group: "run", name: () => words().pages.tenant, page: "OwnTenant" },
  { path: "/console/settings/pii", under: "/console/settings", scope: "pii:read", group: "run", name: () => words().pages.pii, page: "Pii" },
  { path: "/console/settings", scope: "", group: "run", name: () => words().pages.settings, page: "Settings" },
];

/** Whether `path` is below `place`, or below a page that stands under it. */
function _isAt(place: Place, path: string): boolean {
  return _is(place, path) || PLACES.some((item) => item.under === place.path && _is(item, path));
}

/** Whether `path` is below `place`. */
function _is(place: Place, path: string): boolean {
  const at = path.replace(/\/$/, "");
  return at === place.path || (place.path !== "/console" && at.startsWith(`${place.path}/`));
}

/** The page that `path` leads to, and the id of what is open on it. */
export function placeOf(path: string): [Place | undefined, string] {
  const place = PLACES.find((item) => _is(item, path));
  const id = place ? path.slice(place.path.length + 1) : "";
  return id.includes("/") ? [undefined, ""] : [place, _decoded(id)];
}

/** What stands in an address; a broken one stands for itself. */
function _decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function Menu() {
  const { path } = useLocation();
  const more = useRef<HTMLDivElement>(null);
  useEffect(() => more.current?.hidePopover(), [path]);
  const mine = PLACES.filter((place) => !place.under && (!place.scope || may(place.scope)));
  const [first, ...rest] = _GROUPS.map((group) => <Group key={group} group={group} places={mine.filter((place) => place.group === group)} path={path} />);
  return (
    <nav aria-label={words().menu}>
      <a class="brand" href="/console">
        Tocsin
      </a>
      {first}
      <button type="button" class="quiet menu" popovertarget="more" aria-current={mine.some((place) => place.group !== "watch" && _isAt(place, path)) ? "true" : undefined}>
        {words().menu}
      </button>
      <div ref={more} id="more" popover="auto">
        {rest}
        <button type="button" class="quiet find" onClick={openPalette}>
          {words().find} <kbd>Ctrl K</kbd>
        </button>
      </div>
      <p class="live dim" role="status">
        <Mark tone={liveness.value === "open" ? "good" : liveness.value === "waiting" ? "warn" : "idle"} />
        {words().live[liveness.value]}
      </p>
    </nav>
  );
}

/** One group of the menu; its name stands above it unless it is the first, or one page. */
function Group({ group, places, path }: { group: Place["group"]; places: readonly Place[]; path: string }) {
  if (places.length === 0) return null;
  const name = group !== "watch" && places.length > 1 ? words().groups[group] : "";
  return (
    <div class="group" role="group" aria-label={words().groups[group]}>
      {name && <p aria-hidden="true">{name}</p>}
      {places.map((place) => (
        <a key={place.path} href={place.path} aria-current={_isAt(place, path) ? "page" : undefined}>
          <span>{place.name()}</span>
          {place.path.endsWith("/inbox") && unread() > 0 && <b class="badge">{unread()}</b>}
        </a>
      ))}
    </div>
  );
}

function Title() {
  const { path } = useLocation();
  const place = PLACES.find((item) => _is(item, path));
  useEffect(() => {
    document.title = `${unread() > 0 ? `(${unread()}) ` : ""}${place ? `${place.name()} · ` : ""}Tocsin`;
  }, [place, unread(), language.value]);
  return null;
}

function Missing() {
  return (
    <div class="empty">
      <p>{words().noSuchPage}</p>
      <a class="button" href="/console">
        {words().pages.now}
      </a>
    </div>
  );
}

/** The page that the address names; while it is loaded, the one before it stays. */
function Shown() {
  const { path } = useLocation();
  const last = useRef<ComponentChildren>(null);
  const [place, id] = placeOf(path);
  const Page = place && (_pages.value[place.page] as Page | undefined);
  useEffect(() => {
    if (place && !Page) _load(place.group === "run" ? "run" : "daily").catch(gone);
  }, [place, Page]);
  if (place && !Page) return last.current;
  return (last.current = Page ? <Page key={place?.path} params={id ? { id } : {}} /> : <Missing />);
}

export function App() {
  useEffect(listen, []);
  useEffect(followLinks, []);
  useEffect(_loadAhead, []);
  const known = session.value;
  if (known === undefined) return null;
  if (known === null && !document.querySelector("main")) return <SignedOut />;
  return (
    <>
      <Title />
      <a class="skip" href="#main">
        {words().skip}
      </a>
      <Menu />
      <main id="main">
        {known === null && <SignedOut beside />}
        <Shown />
      </main>
      <Palette />
      <Question />
      <Proof />
      <Notices />
    </>
  );
}
