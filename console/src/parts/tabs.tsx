/** Pages that belong together, as tabs: the places below one path that the session may see. */

import { useLocation } from "../state/location";
import { PLACES } from "../app";
import { may } from "../state/session";

export function Tabs({ of, first }: { of: string; first: string }) {
  const { path } = useLocation();
  const places = PLACES.filter((place) => place.path === of || place.under === of).filter((place) => !place.scope || may(place.scope));
  const here = places.filter((place) => path === place.path || path.startsWith(`${place.path}/`)).sort((one, other) => other.path.length - one.path.length)[0];
  return (
    <div class="tabs">
      {places
        .sort((one, other) => Number(other.path === of) - Number(one.path === of))
        .map((place) => (
          <a key={place.path} href={place.path} aria-current={place === here ? "page" : undefined}>
            {place.path === of ? first : place.name()}
          </a>
        ))}
    </div>
  );
}
