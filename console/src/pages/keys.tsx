/** All API keys of the tenant. */

import { Head } from "../parts/basics";
import { Keys } from "../parts/keys";
import { Tabs } from "../parts/tabs";
import { words } from "../words";

export default function AllKeys() {
  return (
    <>
      <Head title={words().pages.access} />
      <Tabs of="/console/access" first={words().access.people} />
      <div class="stack">
        <Keys />
      </div>
    </>
  );
}
