import "./style/base.css";
import "./style/parts.css";
import "./style/people.css";
import { render } from "preact";
import { App } from "./app";
import { ask } from "./state/session";
import { speakAsWanted } from "./words";

await Promise.all([speakAsWanted(), ask()]);
render(<App />, document.getElementById("app") as HTMLElement);
