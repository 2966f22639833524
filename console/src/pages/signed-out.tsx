/** Nobody is signed in. What is on the page stays: nothing typed is lost, and signing in elsewhere is enough. */

import { useEffect } from "preact/hooks";
import { ask } from "../state/session";
import { words } from "../words";

export function SignedOut({ beside = false }: { beside?: boolean }) {
  useEffect(() => {
    const seen = () => document.hidden || void ask();
    document.addEventListener("visibilitychange", seen);
    window.addEventListener("focus", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      window.removeEventListener("focus", seen);
    };
  }, []);
  const target = `/sign-in?returnTo=${encodeURIComponent(location.pathname + location.search)}`;
  return (
    <div class={beside ? "stale" : "empty door"} role="alert">
      {!beside && <h1>Tocsin</h1>}
      <p>{beside ? words().sessionEnded : words().signedOut}</p>
      <a class="button main" href={target} {...(beside ? { target: "_blank", rel: "opener" } : {})}>
        {words().signIn}
      </a>
    </div>
  );
}
