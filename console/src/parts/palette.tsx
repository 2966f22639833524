/** The command palette: every page and what can be done, by typing. */

import { signal } from "../state/signals";
import { useLocation } from "../state/location";
import { useEffect, useRef, useState } from "preact/hooks";
import { PLACES } from "../app";
import { may } from "../state/session";
import { words } from "../words";

const _open = signal(false);

/** Opens it. */
export function openPalette(): void {
  _open.value = true;
}

interface Command {
  name: string;
  run: () => void;
}

export function Palette() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const { route } = useLocation();
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      openPalette();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
  useEffect(() => {
    if (!_open.value) return;
    setText("");
    setChosen(0);
    dialog.current?.showModal();
  }, [_open.value]);
  useEffect(() => document.getElementById(`command-${chosen}`)?.scrollIntoView({ block: "nearest" }), [chosen]);
  if (!_open.value) return null;
  const close = () => dialog.current?.close();
  const commands: Command[] = [
    ...PLACES.filter((place) => !place.scope || may(place.scope)).map((place) => ({ name: place.name(), run: () => route(place.path) })),
    ...(may("alarms:write") ? [{ name: words().alarm.add, run: () => route("/console/alarms/new") }] : []),
    ...(may("templates:write") ? [{ name: words().template.add, run: () => route("/console/templates?new") }] : []),
    ...(may("recipients:write") ? [{ name: words().person.add, run: () => route("/console/recipients?new") }] : []),
    { name: words().apiPages, run: () => location.assign("/docs") },
    ..._byName(text).map(([name, path]) => ({ name, run: () => route(path) })),
  ];
  const wanted = text.trim().toLowerCase();
  const found = commands.filter((command) => command.name.toLowerCase().includes(wanted));
  const run = (command: Command | undefined) => {
    if (!command) return;
    close();
    command.run();
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "Enter") run(found[chosen]);
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    setChosen((was) => Math.min(found.length - 1, Math.max(0, was + by)));
  };
  return (
    <dialog ref={dialog} class="palette" onClose={() => (_open.value = false)} onClick={(event) => event.target === dialog.current && close()} aria-label={words().find}>
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="commands"
        aria-activedescendant={found[chosen] ? `command-${chosen}` : undefined}
        aria-label={words().find}
        placeholder={words().findWhat}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={press}
      />
      <ul id="commands" role="listbox" aria-label={words().find}>
        {found.map((command, index) => (
          <li key={command.name} id={`command-${index}`} role="option" aria-selected={index === chosen} onClick={() => run(command)}>
            {command.name}
          </li>
        ))}
        {found.length === 0 && <li class="dim">{words().nothingFound}</li>}
      </ul>
    </dialog>
  );
}

/** A resource name that was typed or pasted, such as "firings/01J…", leads to its page. */
function _byName(text: string): [string, string][] {
  const match = /^\s*((alarms|firings|incidents|deliveries|templates|recipients|groups)\/[A-Za-z0-9_.@+=~-]{1,64})\s*$/.exec(text);
  return match ? [[match[1] as string, `/console/${match[1]}`]] : [];
}
