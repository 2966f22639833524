/** Asks again who is there, before what changes passwords and factors: by a code, a passkey, or the password of who has neither. */

import { useEffect, useRef, useState } from "preact/hooks";
import { api, type Schemas } from "../api/client";
import { ApiError } from "../api/problem";
import { PasskeyRefused, passkeysHere, showPasskey } from "../state/passkeys";
import { wanted } from "../state/proof";
import { words } from "../words";
import { Button } from "./basics";

type Begun = Schemas["auth.v1.BeginReauthenticationResponse"];

export function Proof() {
  const dialog = useRef<HTMLDialogElement>(null);
  const asked = wanted.value;
  const [begun, setBegun] = useState<Begun | null>(null);
  const [typed, setTyped] = useState("");
  const [error, setError] = useState("");
  useEffect(() => {
    if (!asked) return;
    setTyped("");
    setError("");
    setBegun(null);
    dialog.current?.showModal();
    api.POST("/v1/account:beginReauthentication", { body: {} }).then(setBegun, (failure: unknown) =>
      setError(failure instanceof ApiError ? words().failed(failure) : String(failure)),
    );
  }, [asked]);
  if (!asked) return null;
  const methods = begun?.methods ?? [];
  const byCode = methods.includes("totp") || methods.includes("recovery_code");
  const show = async (body: Schemas["auth.v1.ReauthenticateRequest"]) => {
    try {
      await api.POST("/v1/account:reauthenticate", { body });
      asked.proven(true);
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure.status === 401 || failure.status === 403 ? words().proof.wrong : words().failed(failure));
    }
  };
  const byPasskey = async () => {
    try {
      const passkeyResponse = await showPasskey(begun?.options ?? "");
      await show({ challenge: begun?.challenge ?? "", passkeyResponse });
    } catch (failure) {
      if (!(failure instanceof PasskeyRefused)) throw failure;
      setError(words().factors.refused);
    }
  };
  return (
    <dialog ref={dialog} class="question" onClose={() => asked.proven(false)} aria-labelledby="proof">
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void show(byCode ? { code: typed } : { password: typed });
        }}
      >
        <h2 id="proof">{words().proof.title}</h2>
        <p>{words().proof.why}</p>
        {methods.includes("passkey") && passkeysHere && <Button onPress={byPasskey}>{words().proof.passkey}</Button>}
        {begun && (byCode || methods.includes("password")) && (
          <label class="field">
            {byCode ? words().proof.code : words().proof.password}
            <input
              type={(byCode ? "text" : "password") as "text"}
              inputMode={byCode && !methods.includes("recovery_code") ? "numeric" : "text"}
              autocomplete={byCode ? "one-time-code" : "current-password"}
              required
              autofocus
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
          </label>
        )}
        {error && (
          <p class="wrong" role="alert">
            {error}
          </p>
        )}
        <div class="actions">
          <button type="button" class="button" onClick={() => asked.proven(false)}>
            {words().cancel}
          </button>
          {begun && (byCode || methods.includes("password")) && (
            <button type="submit" class="button main">
              {words().proof.go}
            </button>
          )}
        </div>
      </form>
    </dialog>
  );
}
