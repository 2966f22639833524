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

/** Nothing is awaited at the top of this file: the words of another language stand on what is built of it, and would wait for it in turn. */
async function begin(): Promise<void> {
  await Promise.all([speakAsWanted(), ask(), findZone()]);
  render(<App />, document.getElementById("app") as HTMLElement);
}

void begin();
