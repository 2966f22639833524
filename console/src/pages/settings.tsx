/** Settings: how this browser shows things, and who is signed in where. */

import { answer, api } from "../api/client";
import { Button, Failure, Head, Section, Shape } from "../parts/basics";
import { When } from "../parts/when";
import { act } from "../state/act";
import { clockOffset, ownZone, zone } from "../state/clock";
import { useLoaded } from "../state/loaded";
import { address, session } from "../state/session";
import { LANGUAGES, language, speak, words, type Language } from "../words";

export default function Settings() {
  return (
    <>
      <Head title={words().pages.settings} note={address.value || session.value?.subject} />
      <div class="stack">
        <Browser />
        <Sessions />
      </div>
    </>
  );
}

function Browser() {
  const signOut = async () => {
    await fetch("/session", { method: "DELETE", credentials: "same-origin" });
    location.assign("/sign-in");
  };
  return (
    <Section title={words().settings.browser}>
      <div class="form">
        <label class="field">
          {words().settings.language}
          <select value={language.value} onChange={(event) => void speak(event.currentTarget.value as Language)}>
            {Object.entries(LANGUAGES).map(([id, name]) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          {words().settings.zone}
          <select value={zone.value} onChange={(event) => (zone.value = event.currentTarget.value)}>
            {[...new Set([ownZone, "UTC", ...Intl.supportedValuesOf("timeZone")])].map((name) => (
              <option key={name} value={name}>
                {name === ownZone ? words().settings.ownZone(name) : name}
              </option>
            ))}
          </select>
        </label>
        {clockOffset.value !== 0 && <p class="said">{words().settings.clockOff(Math.round(clockOffset.value / 1000))}</p>}
        <div class="actions">
          <Button onPress={signOut}>{words().settings.signOut}</Button>
        </div>
      </div>
    </Section>
  );
}

function Sessions() {
  const found = useLoaded((signal) => answer(api.GET("/v1/sessions", { signal }), "GET /v1/sessions"), []);
  const end = (id: string) =>
    act(async () => {
      await answer(api.DELETE("/v1/sessions/{session}", { params: { path: { session: id } } }), "DELETE /v1/sessions/{session}");
      found.again();
    }, words().settings.sessionEnded);
  return (
    <Section title={words().settings.sessions}>
      {found.error && !found.data && <Failure error={found.error} again={found.again} />}
      {!found.data && !found.error && <Shape rows={2} />}
      {found.data?.sessions.length === 0 && <p class="dim">{words().settings.noSessions}</p>}
      <ul class="plain">
        {found.data?.sessions.map((item) => (
          <li key={item.name}>
            <span>{item.userAgent || words().settings.unknownClient}</span>
            <span class="dim">
              {item.clientAddress} · <When at={item.lastUseTime ?? item.createTime} />
            </span>
            <Button onPress={() => end((item.name ?? "").replace("sessions/", ""))}>{words().settings.endSession}</Button>
          </li>
        ))}
      </ul>
    </Section>
  );
}
