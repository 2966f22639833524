/** The addresses of a recipient: how each stands, why it gets nothing, and how it gets something. */

import { useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { ApiError } from "../api/problem";
import { act } from "../state/act";
import { useKept } from "../state/kept";
import { useLoaded } from "../state/loaded";
import { addressTone, quoted, type Address, type Recipient, type Suppression } from "../state/people";
import { may } from "../state/session";
import { words } from "../words";
import { AddressInputs, type NewAddress } from "./address-inputs";
import { Button, Section } from "./basics";
import { State } from "./mark";
import { FieldWrong, Refused } from "./refused";
import { When } from "./when";

export function Addresses({ recipient, changed }: { recipient: Recipient; changed: () => void }) {
  const addresses = recipient.addresses ?? [];
  return (
    <Section title={words().person.addresses}>
      {addresses.length === 0 && <p class="dim">{words().person.noAddress}</p>}
      <ul class="plain tall">
        {addresses.map((address) => (
          <One key={address.name} recipient={recipient} address={address} changed={changed} />
        ))}
      </ul>
      {may("recipients:write") && (
        <details open={addresses.length === 0}>
          <summary>{words().person.addAddress}</summary>
          <Add recipient={recipient} done={changed} />
        </details>
      )}
    </Section>
  );
}

function _word(address: Address): string {
  return words().person.states[address.state ?? "PENDING"] ?? "";
}

function One({ recipient, address, changed }: { recipient: Recipient; address: Address; changed: () => void }) {
  const id = idOf(recipient.name);
  const at = { params: { path: { recipient: id, address: idOf(address.name) } } };
  const [asking, setAsking] = useState(false);
  const filter = `channel=${quoted(address.channel)} AND address=${quoted(address.value)}`;
  const held = useLoaded(
    (signal) => api.GET("/v1/suppressions", { params: { query: { pageSize: 20, filter } }, signal }),
    [filter],
  );
  const suppressions = held.data?.suppressions ?? [];
  const all = suppressions.some((item) => !item.category);
  const send = () =>
    act(async () => {
      await api.POST("/v1/recipients/{recipient}/addresses/{address}:requestVerification", { ...at, body: {} });
      setAsking(true);
      changed();
    }, words().person.codeSent(address.value));
  const add = () =>
    api.POST("/v1/recipients/{recipient}/addresses", {
        params: { path: { recipient: id } },
        body: { channel: address.channel, value: address.value, ...(address.state ? { state: address.state } : {}), ...(address.reason ? { reason: address.reason } : {}) },
      }).then(changed);
  const remove = () =>
    act(
      async () => {
        await api.DELETE("/v1/recipients/{recipient}/addresses/{address}", at);
        changed();
      },
      words().person.addressRemoved(address.value),
      () => act(add, words().person.addressAdded(address.value)),
    );
  const suppress = () =>
    act(async () => {
      await api.POST("/v1/suppressions", { body: { channel: address.channel, address: address.value } });
      held.again();
    }, words().person.suppressed(address.value));
  const can = may("recipients:write");
  return (
    <li>
      <State tone={addressTone(address, all)} word={all ? words().person.gotNothing : _word(address)} />
      <span class="grow" dir="auto" title={address.value}>
        {address.value}
      </span>
      <span class="dim">{address.channel}</span>
      <div class="whole">
        {address.reason && <p class="dim">{address.reason}</p>}
        {address.lastSeenTime && (
          <p class="dim">
            {words().person.lastSeen} <When at={address.lastSeenTime} />
          </p>
        )}
        {suppressions.map((item) => (
          <Held key={item.name} suppression={item} can={can} changed={held.again} />
        ))}
        {can && (
          <div class="actions">
            {address.state !== "ACTIVE" && <Button onPress={send}>{words().person.sendCode}</Button>}
            {address.state === "PENDING" && !asking && (
              <button type="button" class="quiet" onClick={() => setAsking(true)}>
                {words().person.enterCode}
              </button>
            )}
            {!all && address.state === "ACTIVE" && (
              <button type="button" class="quiet" onClick={() => void suppress()}>
                {words().person.suppress}
              </button>
            )}
            <button type="button" class="quiet" onClick={() => void remove()} aria-label={words().person.removeAddress(address.value)}>
              {words().alarm.remove}
            </button>
          </div>
        )}
        {asking && address.state !== "ACTIVE" && <Code recipient={id} address={address} done={changed} />}
      </div>
    </li>
  );
}

/** An entry of the suppression list. */
function Held({ suppression, can, changed }: { suppression: Suppression; can: boolean; changed: () => void }) {
  const end = () =>
    act(
      async () => {
        await api.DELETE("/v1/suppressions/{suppression}", { params: { path: { suppression: idOf(suppression.name) } } });
        changed();
      },
      words().person.freed,
      async () => {
        const { name: _, createTime: __, ...body } = suppression;
        await act(async () => {
          await api.POST("/v1/suppressions", { body });
          changed();
        }, words().person.suppressed(suppression.address));
      },
    );
  const { category, source, detail, endTime } = suppression;
  return (
    <p class="said">
      <span>
        {words().person.reasons[suppression.reason ?? "MANUAL"]}
        {category && ` · ${category.replace("categories/", "")}`}
        {source && ` · ${source}`}
        {detail && ` · ${detail}`}
        {endTime && (
          <>
            {" · "}
            {words().access.until} <When at={endTime} />
          </>
        )}
      </span>
      {can && <Button onPress={end}>{words().person.free}</Button>}
    </p>
  );
}

function Code({ recipient, address, done }: { recipient: string; address: Address; done: () => void }) {
  const [code, setCode] = useState("");
  const [error, setError] = useState<ApiError | null>(null);
  const verify = async () => {
    try {
      const at = { params: { path: { recipient, address: idOf(address.name) } } };
      await api.POST("/v1/recipients/{recipient}/addresses/{address}:verify", { ...at, body: { code } });
      done();
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure);
    }
  };
  return (
    <>
      <form
        class="note"
        onSubmit={(event) => {
          event.preventDefault();
          void verify();
        }}
      >
        <input type="text" required autofocus inputMode="numeric" autocomplete="one-time-code" maxLength={32} value={code} onInput={(event) => setCode(event.currentTarget.value)} placeholder={words().person.code} aria-label={words().person.code} />
        <Button kind="main" onPress={verify} disabled={code.trim() === ""}>
          {words().person.confirm}
        </Button>
      </form>
      <FieldWrong error={error} field="code" />
      <Refused error={error} fields={["code"]} />
    </>
  );
}

const _NONE: NewAddress = { channel: "email", value: "", vouched: false };

function Add({ recipient, done }: { recipient: Recipient; done: () => void }) {
  const [address, setAddress, forget] = useKept<NewAddress>(`address.${recipient.name}`, _NONE);
  const [error, setError] = useState<ApiError | null>(null);
  const change = (next: NewAddress) => {
    setAddress(next);
    setError(null);
  };
  const add = async () => {
    const { channel, value, vouched } = address;
    try {
      const at = { params: { path: { recipient: idOf(recipient.name) } } };
      await api.POST("/v1/recipients/{recipient}/addresses", { ...at, body: { channel, value: value.trim(), ...(vouched ? { state: "ACTIVE" as const } : {}) } });
      setAddress({ ..._NONE, channel });
      forget();
      done();
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure);
    }
  };
  return (
    <form
      class="section"
      onSubmit={(event) => {
        event.preventDefault();
        void add();
      }}
    >
      <AddressInputs address={address} change={change} error={error} />
      <Refused error={error} fields={["value", "channel"]} />
      <div class="actions">
        <Button onPress={add} disabled={address.value.trim() === ""}>
          {words().person.addAddress}
        </Button>
      </div>
    </form>
  );
}
