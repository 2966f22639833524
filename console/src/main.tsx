import "./style/base.css";
import "./style/parts.css";
import "./style/people.css";
import "./style/duty.css";
import "./style/settings.css";
import { render } from "preact";
import { App } from "./app";
import { findZone } from "./state/clock";
import { ask } from "./state/session";
import { speakAsWanted } from "./words";

// A page that is loaded when it is opened may be one of a version that is gone: the whole console is loaded anew then, once in a while.
window.addEventListener("vite:preloadError", () => {
  const last = Number(sessionStorage.getItem("tocsin.reloaded"));
  if (Date.now() - last < 30_000) return;
  sessionStorage.setItem("tocsin.reloaded", String(Date.now()));
  location.reload();
});

await Promise.all([speakAsWanted(), ask(), findZone()]);
render(<App />, document.getElementById("app") as HTMLElement);
