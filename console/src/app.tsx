/** The frame of every page: who looks, where one can go, and how current it all is. */

import { ErrorBoundary, LocationProvider, Route, Router, lazy, useLocation } from "preact-iso";
import type { ComponentType } from "preact";
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
import { may, session } from "./state/session";
import { language, learnOthers, words } from "./words";

/** The groups of the menu, in their order. The first is at hand on a phone, where the others are behind "Menu". */
const _GROUPS = ["watch", "work", "people", "run"] as const;

/** A page of the console: its path, the scope that it needs, its group in the menu, and its name. */
export interface Place {
  path: string;
  scope: string;
  group: (typeof _GROUPS)[number];
  name: () => string;
  page: ComponentType<{ params?: { id?: string } }>;
  /** A page of its own that the menu leads to by this place, which stands before it. */
  under?: string;
}


/** Pages that are loaded together, with what they say, when one of them is opened. */
function _family<T>(load: () => Promise<T>): () => Promise<T> {
  return async () => (await Promise.all([load(), learnOthers()]))[0];
}

const _daily = _family(() => import("./pages/daily"));
const _run = _family(() => import("./pages/run"));

/** Loads the daily pages at the first sign of somebody, who may go to one of them next; whoever only looks waits for nothing of it. */
function _loadAhead(): void {
  for (const sign of ["pointerover", "keydown"]) addEventListener(sign, () => void _daily().catch(() => undefined), { once: true, passive: true });
}

/** All pages; within a group, in the order of the menu. */
export const PLACES: readonly Place[] = [
  { path: "/console", scope: "", group: "watch", name: () => words().pages.now, page: Now },
  { path: "/console/incidents", scope: "incidents:read", group: "watch", name: () => words().pages.incidents, page: lazy(() => _daily().then((pages) => pages.Incidents)) },
  { path: "/console/alarms", scope: "alarms:read", group: "work", name: () => words().pages.alarms, page: lazy(() => _daily().then((pages) => pages.Alarms)) },
  { path: "/console/firings", scope: "firings:read", group: "work", name: () => words().pages.firings, page: lazy(() => _daily().then((pages) => pages.Firings)) },
  { path: "/console/deliveries", scope: "deliveries:read", group: "work", name: () => words().pages.deliveries, page: lazy(() => _daily().then((pages) => pages.Deliveries)) },
  { path: "/console/templates", scope: "templates:read", group: "work", name: () => words().pages.templates, page: lazy(() => _daily().then((pages) => pages.Templates)) },
  { path: "/console/recipients", scope: "recipients:read", group: "people", name: () => words().pages.people, page: lazy(() => _daily().then((pages) => pages.People)) },
  { path: "/console/groups", scope: "recipients:read", group: "people", name: () => words().person.tabs.groups, page: lazy(() => _daily().then((pages) => pages.Groups)), under: "/console/recipients" },
  { path: "/console/import", scope: "recipients:write", group: "people", name: () => words().person.tabs.import, page: lazy(() => _daily().then((pages) => pages.Imports)), under: "/console/recipients" },
  { path: "/console/inbox", scope: "inbox:read", group: "watch", name: () => words().pages.inbox, page: lazy(() => _daily().then((pages) => pages.Inbox)) },
  { path: "/console/on-call", scope: "recipients:read", group: "watch", name: () => words().pages.onCall, page: lazy(() => _daily().then((pages) => pages.OnCall)) },
  { path: "/console/policies", scope: "incidents:read", group: "watch", name: () => words().pages.policies, page: lazy(() => _daily().then((pages) => pages.Policies)), under: "/console/on-call" },
  { path: "/console/on-call-setup", scope: "recipients:write", group: "watch", name: () => words().setup.title, page: lazy(() => _daily().then((pages) => pages.OnCallSetup)), under: "/console/on-call" },
  { path: "/console/integrations", scope: "incidents:read", group: "work", name: () => words().pages.integrations, page: lazy(() => _daily().then((pages) => pages.Integrations)) },
  { path: "/console/heartbeats", scope: "alarms:read", group: "work", name: () => words().pages.heartbeats, page: lazy(() => _daily().then((pages) => pages.Heartbeats)), under: "/console/integrations" },
  { path: "/console/readings", scope: "alarms:read", group: "work", name: () => words().pages.readings, page: lazy(() => _daily().then((pages) => pages.Readings)), under: "/console/integrations" },
  { path: "/console/events", scope: "events:read", group: "work", name: () => words().pages.events, page: lazy(() => _daily().then((pages) => pages.Events)), under: "/console/integrations" },
  { path: "/console/mesh", scope: "mesh:read", group: "run", name: () => words().pages.mesh, page: lazy(() => _daily().then((pages) => pages.Mesh)) },
  { path: "/console/access/roles", under: "/console/access", scope: "users:read", group: "run", name: () => words().pages.roles, page: lazy(() => _run().then((pages) => pages.Roles)) },
  { path: "/console/access/programs", under: "/console/access", scope: "users:read", group: "run", name: () => words().pages.programs, page: lazy(() => _run().then((pages) => pages.Programs)) },
  { path: "/console/access/keys", under: "/console/access", scope: "keys:read", group: "run", name: () => words().pages.keys, page: lazy(() => _run().then((pages) => pages.AllKeys)) },
  { path: "/console/access/sign-in", under: "/console/access", scope: "identities:read", group: "run", name: () => words().pages.issuers, page: lazy(() => _run().then((pages) => pages.IdentityProviders)) },
  { path: "/console/access", scope: "users:read", group: "run", name: () => words().pages.access, page: lazy(() => _run().then((pages) => pages.Access)) },
  { path: "/console/audit", scope: "audit:read", group: "run", name: () => words().pages.audit, page: lazy(() => _daily().then((pages) => pages.Audit)) },
  { path: "/console/tenants", scope: "tenants:read", group: "run", name: () => words().pages.tenants, page: lazy(() => _run().then((pages) => pages.Tenants)) },
  { path: "/console/providers", scope: "providers:read", group: "run", name: () => words().pages.providers, page: lazy(() => _run().then((pages) => pages.Providers)) },
  { path: "/console/settings/security", under: "/console/settings", scope: "account:read", group: "run", name: () => words().pages.security, page: lazy(() => _run().then((pages) => pages.Security)) },
  { path: "/console/settings/tenant", under: "/console/settings", scope: "tenant:read", group: "run", name: () => words().pages.tenant, page: lazy(() => _run().then((pages) => pages.OwnTenant)) },
  { path: "/console/settings/pii", under: "/console/settings", scope: "pii:read", group: "run", name: () => words().pages.pii, page: lazy(() => _run().then((pages) => pages.Pii)) },
  { path: "/console/settings", scope: "", group: "run", name: () => words().pages.settings, page: lazy(() => _run().then((pages) => pages.Settings)) },
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
          {place.path.endsWith("/inbox") && unread.value > 0 && <b class="badge">{unread}</b>}
        </a>
      ))}
    </div>
  );
}

function Title() {
  const { path } = useLocation();
  const place = PLACES.find((item) => _is(item, path));
  useEffect(() => {
    document.title = `${unread.value > 0 ? `(${unread.value}) ` : ""}${place ? `${place.name()} · ` : ""}Tocsin`;
  }, [place, unread.value, language.value]);
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

export function App() {
  useEffect(listen, []);
  useEffect(_loadAhead, []);
  const known = session.value;
  if (known === undefined) return null;
  if (known === null && !document.querySelector("main")) return <SignedOut />;
  return (
    <LocationProvider scope="/console">
      <Title />
      <a class="skip" href="#main">
        {words().skip}
      </a>
      <Menu />
      <main id="main">
        {known === null && <SignedOut beside />}
        <ErrorBoundary>
          <Router>
            {PLACES.map((place) => (
              <Route key={place.path} path={place.path === "/console" ? "/console" : `${place.path}/:id?`} component={place.page} />
            ))}
            <Route default component={Missing} />
          </Router>
        </ErrorBoundary>
      </main>
      <Palette />
      <Question />
      <Proof />
      <Notices />
    </LocationProvider>
  );
}
