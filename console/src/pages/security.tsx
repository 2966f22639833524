/** How one signs in: password, second factor, and where one is signed in. */

import { useState } from "preact/hooks";
import { api, idOf, type Schemas } from "../api/client";
import { ApiError } from "../api/problem";
import { sure } from "../parts/ask";
import { Button, Copy, Head, Pending, Section } from "../parts/basics";
import { Form } from "../parts/form";
import { State } from "../parts/mark";
import { Once } from "../parts/once";
import { Tabs } from "../parts/tabs";
import { When } from "../parts/when";
import { act } from "../state/act";
import { useLoaded } from "../state/loaded";
import { notify } from "../state/notices";
import { PasskeyRefused, atAddress, makePasskey, passkeysHere } from "../state/passkeys";
import { programOf } from "../state/programs";
import { proven } from "../state/proof";
import { may, session } from "../state/session";
import { words } from "../words";

type Factor = Schemas["auth.v1.Factor"];

export default function Security() {
  const isPerson = session.value?.subject?.startsWith("users/");
  return (
    <>
      <Head title={words().pages.settings} />
      <Tabs of="/console/settings" first={words().settings.you} />
      <div class="stack">
        {!isPerson && <p class="said">{words().settings.noPerson}</p>}
        {isPerson && <Factors />}
        {isPerson && <Password />}
        {isPerson && <Sessions />}
      </div>
    </>
  );
}

function Password() {
  const [open, setOpen] = useState(false);
  const change = async ({ currentPassword, newPassword, again }: { currentPassword: string; newPassword: string; again: string }) => {
    if (newPassword !== again) throw new ApiError("", 400, words().settings.notTheSame, "", [{ field: "again", description: words().settings.notTheSame }]);
    await api.POST("/v1/account:changePassword", { body: { currentPassword, newPassword } });
    setOpen(false);
    notify({ text: words().settings.passwordChanged });
  };
  return (
    <Section title={words().settings.password}>
      {!open && (
        <div class="actions">
          <Button onPress={() => setOpen(true)}>{words().settings.changePassword}</Button>
        </div>
      )}
      {open && (
        <Form id="password" first={{ currentPassword: "", newPassword: "", again: "" }} send={change} name={words().settings.changePassword} cancel={() => setOpen(false)}>
          {(field) => (
            <>
              {field.text("currentPassword", words().settings.current, { type: "password", required: true, autocomplete: "current-password" })}
              {field.text("newPassword", words().settings.fresh, { type: "password", required: true, autocomplete: "new-password", hint: words().settings.freshHint })}
              {field.text("again", words().settings.again, { type: "password", required: true, autocomplete: "new-password" })}
            </>
          )}
        </Form>
      )}
    </Section>
  );
}

function Factors() {
  const found = useLoaded((signal) => api.GET("/v1/factors", { signal }), []);
  const [codes, setCodes] = useState<readonly string[]>([]);
  const [adding, setAdding] = useState<"" | "app" | "passkey">("");
  const factors = found.data?.factors ?? [];
  const enrolled = (made: Schemas["auth.v1.EnrolledFactor"]) => {
    setAdding("");
    if (made.recoveryCodes?.length) setCodes(made.recoveryCodes);
    notify({ text: words().factors.added(made.factor?.displayName || words().factors.kinds[made.factor?.kind ?? ""] || "") });
    found.again();
  };
  const renew = async () => {
    if (found.data?.recoveryCodesLeft && !(await sure(words().factors.reallyRenew, words().factors.renew))) return;
    await act(async () => {
      const made = await proven(() => api.POST("/v1/factors:createRecoveryCodes", { body: {} }));
      setCodes(made.recoveryCodes ?? []);
      found.again();
    }, words().factors.renewed);
  };
  return (
    <Section title={words().factors.title} note={found.data && factors.length > 0 && words().factors.left(found.data.recoveryCodesLeft ?? 0)}>
      <Pending of={found} rows={2} />
      {found.data && factors.length === 0 && <p>{words().factors.none}</p>}
      {codes.length > 0 && <Once title={words().factors.codes} lines={codes} file="tocsin-recovery-codes.txt" done={() => setCodes([])} />}
      {factors.length > 0 && (
        <ul class="plain">
          {factors.map((factor) => (
            <One key={factor.name} factor={factor} changed={found.again} />
          ))}
        </ul>
      )}
      {found.data && adding === "" && (
        <div class="actions">
          <Button kind={factors.length === 0 ? "main" : "plain"} onPress={() => setAdding("app")}>
            {words().factors.addApp}
          </Button>
          {passkeysHere && <Button onPress={() => setAdding("passkey")}>{words().factors.addPasskey}</Button>}
          {factors.length > 0 && <Button onPress={renew}>{words().factors.renew}</Button>}
        </div>
      )}
      {found.data && adding === "" && atAddress() && <p class="hint">{words().factors.atAddress}</p>}
      {adding === "app" && <App done={enrolled} cancel={() => setAdding("")} />}
      {adding === "passkey" && <NewPasskey done={enrolled} cancel={() => setAdding("")} />}
    </Section>
  );
}

function One({ factor, changed }: { factor: Factor; changed: () => void }) {
  const [naming, setNaming] = useState(false);
  const id = idOf(factor.name);
  const name = factor.displayName || words().factors.kinds[factor.kind ?? ""] || "";
  const rename = async ({ displayName }: { displayName: string }) => {
    await api.PATCH("/v1/factors/{factor}", { params: { path: { factor: id } }, body: { displayName } });
    setNaming(false);
    changed();
  };
  const remove = async () => {
    if (!(await sure(words().factors.reallyRemove(name), words().factors.remove))) return;
    await act(async () => {
      await proven(() => api.DELETE("/v1/factors/{factor}", { params: { path: { factor: id } } }));
      changed();
    }, words().factors.removed(name));
  };
  if (naming) {
    return (
      <li>
        <Form id={factor.name ?? ""} first={{ displayName: factor.displayName ?? "" }} send={rename} name={words().save} cancel={() => setNaming(false)}>
          {(field) => field.text("displayName", words().settings.name, { max: 100, required: true })}
        </Form>
      </li>
    );
  }
  return (
    <li>
      <State tone="good" word={words().factors.kinds[factor.kind ?? ""] ?? ""} />
      <span class="grow">
        {factor.displayName} {factor.synced && <span class="dim">{words().factors.synced}</span>}
      </span>
      <span class="dim">
        {factor.lastUseTime ? (
          <>
            {words().access.used} <When at={factor.lastUseTime} />
          </>
        ) : (
          words().access.unused
        )}
      </span>
      <Button onPress={() => setNaming(true)}>{words().factors.rename}</Button>
      <Button kind="risky" onPress={remove}>
        {words().factors.remove}
      </Button>
    </li>
  );
}

/** An authenticator app: its secret as a QR code and as text, and a code of it that shows that it works. */
function App({ done, cancel }: { done: (made: Schemas["auth.v1.EnrolledFactor"]) => void; cancel: () => void }) {
  const [made, setMade] = useState<Schemas["auth.v1.EnrolTotpResponse"] | null>(null);
  const begin = async ({ displayName }: { displayName: string }) =>
    setMade(await api.POST("/v1/factors:enrolTotp", { body: { displayName } }));
  const confirm = async ({ code }: { code: string }) => {
    const path = { factor: idOf(made?.name) };
    done(await api.POST("/v1/factors/{factor}:confirm", { params: { path }, body: { code: code.replace(/\s/g, "") } }));
  };
  if (!made) {
    return (
      <Form key="name" id="factors/app" first={{ displayName: words().factors.phone }} send={begin} name={words().factors.next} cancel={cancel}>
        {(field) => field.text("displayName", words().factors.appName, { max: 100, required: true })}
      </Form>
    );
  }
  return (
    <div class="enrol">
      <div class="scan">
        <img class="qr" src={made.qrCode ?? ""} alt={words().factors.qr} />
        <div>
          <p>{words().factors.scan}</p>
          <p class="dim">{words().factors.orType}</p>
          <Copy text={made.secret ?? ""} shown={(made.secret ?? "").replace(/(.{4})(?=.)/g, "$1 ")} />
        </div>
      </div>
      <Form key="code" id="factors/code" first={{ code: "" }} send={confirm} name={words().factors.confirm} cancel={cancel}>
        {(field) => field.text("code", words().factors.code, { required: true, autocomplete: "one-time-code", max: 12 })}
      </Form>
    </div>
  );
}

function NewPasskey({ done, cancel }: { done: (made: Schemas["auth.v1.EnrolledFactor"]) => void; cancel: () => void }) {
  const make = async ({ displayName }: { displayName: string }) => {
    const begun = await api.POST("/v1/factors:beginPasskey", { body: {} });
    try {
      const passkeyResponse = await makePasskey(begun.options ?? "");
      const body = { challenge: begun.challenge ?? "", passkeyResponse, displayName };
      done(await api.POST("/v1/factors:enrolPasskey", { body }));
    } catch (error) {
      if (!(error instanceof PasskeyRefused)) throw error;
      throw new ApiError("", 400, error.message === "InvalidStateError" ? words().factors.known : words().factors.refused);
    }
  };
  return (
    <Form id="factors/passkey" first={{ displayName: programOf(navigator.userAgent) }} send={make} name={words().factors.make} cancel={cancel}>
      {(field) => field.text("displayName", words().factors.passkeyName, { max: 100, required: true, hint: words().factors.passkeyHint })}
    </Form>
  );
}

function Sessions() {
  const found = useLoaded((signal) => api.GET("/v1/sessions", { params: { query: { pageSize: 200 } }, signal }), []);
  const sessions = [...(found.data?.sessions ?? [])].sort((one, other) => Number(other.current ?? false) - Number(one.current ?? false));
  const end = (id: string) =>
    act(async () => {
      await api.DELETE("/v1/sessions/{session}", { params: { path: { session: id } } });
      found.again();
    }, words().settings.sessionEnded);
  const everywhere = async () => {
    if (!(await sure(words().settings.reallyEverywhere, words().settings.everywhere))) return;
    await act(async () => {
      await api.POST("/v1/sessions:revokeAll", { body: { keepCurrent: true } });
      found.again();
    }, words().settings.everywhereDone);
  };
  return (
    <Section title={words().settings.sessions}>
      <Pending of={found} rows={2} />
      {found.data?.sessions.length === 0 && <p class="dim">{words().settings.noSessions}</p>}
      <ul class="plain">
        {sessions.map((item) => (
          <li key={item.name}>
            <State tone={item.current ? "good" : "idle"} word={item.current ? words().settings.here : words().settings.elsewhere} />
            <span class="grow" title={item.userAgent}>
              {item.userAgent ? programOf(item.userAgent) : words().settings.unknownClient} <span class="dim">{item.clientAddress}</span>
            </span>
            <span class="dim">
              <When at={item.lastUseTime ?? item.createTime} />
            </span>
            {!item.current && may("account:write") && <Button onPress={() => end(idOf(item.name))}>{words().settings.endSession}</Button>}
          </li>
        ))}
      </ul>
      {sessions.length > 1 && may("account:write") && (
        <div class="actions">
          <Button kind="risky" onPress={everywhere}>
            {words().settings.everywhere}
          </Button>
        </div>
      )}
    </Section>
  );
}
