/** The three pages about people. */

import { may } from "../state/session";
import { words } from "../words";

const _TABS = ["recipients", "groups", "import"] as const;

export function PeopleTabs({ at }: { at: (typeof _TABS)[number] }) {
  return (
    <div class="choice" role="group" aria-label={words().pages.people}>
      {_TABS.filter((tab) => tab !== "import" || may("recipients:write")).map((tab) => (
        <a key={tab} class="chip" href={`/console/${tab}`} aria-current={tab === at ? "page" : undefined}>
          {words().person.tabs[tab]}
        </a>
      ))}
    </div>
  );
}
