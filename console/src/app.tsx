/** The frame of every page: who looks, where one can go, and how current it all is. */

import { ErrorBoundary, LocationProvider, Route, Router, useLocation } from "preact-iso";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { listen, liveness } from "./api/live";
import { Question } from "./parts/ask";
import { Mark } from "./parts/mark";
import { Notices } from "./parts/notices";
import { Palette, openPalette } from "./parts/palette";
import Alarms from "./pages/alarms";
import Access from "./pages/access";
import Audit from "./pages/audit";
import Deliveries from "./pages/deliveries";
import Firings from "./pages/firings";
import Inbox from "./pages/inbox";
import Incidents from "./pages/incidents";
import Mesh from "./pages/mesh";
import Now from "./pages/now";
import Settings from "./pages/settings";
import { SignedOut } from "./pages/signed-out";
import { unread } from "./state/inbox";
import { may, session } from "./state/session";
import { words } from "./words";

/** A page of the console: its path, the scope that it needs, and its name. */
export interface Place {
  path: string;
  scope: string;
  name: () => string;
  page: ComponentType<{ params?: { id?: string } }>;
}

/** All pages, in the order of the menu. */
export const PLACES: readonly Place[] = [
  { path: "/console", scope: "", name: () => words().pages.now, page: Now },
  { path: "/console/incidents", scope: "incidents:read", name: () => words().pages.incidents, page: Incidents },
  { path: "/console/alarms", scope: "alarms:read", name: () => words().pages.alarms, page: Alarms },
  { path: "/console/firings", scope: "firings:read", name: () => words().pages.firings, page: Firings },
  { path: "/console/deliveries", scope: "deliveries:read", name: () => words().pages.deliveries, page: Deliveries },
  { path: "/console/inbox", scope: "inbox:read", name: () => words().pages.inbox, page: Inbox },
  { path: "/console/mesh", scope: "mesh:read", name: () => words().pages.mesh, page: Mesh },
  { path: "/console/access", scope: "users:read", name: () => words().pages.access, page: Access },
  { path: "/console/audit", scope: "audit:read", name: () => words().pages.audit, page: Audit },
  { path: "/console/settings", scope: "", name: () => words().pages.settings, page: Settings },
];

/** Whether `place` is where `path` leads. */
function _isAt(place: Place, path: string): boolean {
  const at = path.replace(/\/$/, "");
  return at === place.path || (place.path !== "/console" && at.startsWith(`${place.path}/`));
}

function Menu() {
  const { path } = useLocation();
  return (
    <nav aria-label={words().menu}>
      <a class="brand" href="/console">
        Tocsin
      </a>
      {PLACES.filter((place) => !place.scope || may(place.scope)).map((place) => (
        <a key={place.path} href={place.path} aria-current={_isAt(place, path) ? "page" : undefined}>
          <span>{place.name()}</span>
          {place.path.endsWith("/inbox") && unread.value > 0 && <b class="badge">{unread}</b>}
        </a>
      ))}
      <button type="button" class="quiet find" onClick={openPalette}>
        {words().find} <kbd>Ctrl K</kbd>
      </button>
      <p class="live dim" role="status">
        <Mark tone={liveness.value === "open" ? "good" : liveness.value === "waiting" ? "warn" : "idle"} />
        {words().live[liveness.value]}
      </p>
    </nav>
  );
}

function Title() {
  const { path } = useLocation();
  const place = PLACES.find((item) => _isAt(item, path));
  useEffect(() => {
    document.title = `${unread.value > 0 ? `(${unread.value}) ` : ""}${place ? `${place.name()} · ` : ""}Tocsin`;
  }, [place, unread.value, words()]);
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
      <Notices />
    </LocationProvider>
  );
}
