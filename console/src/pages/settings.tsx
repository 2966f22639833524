/** Settings: one's own profile, and how this browser shows things. */

import { answered, api, type Schemas } from "../api/client";
import { Button, Copy, Fact, Facts, Head, Pending, Section } from "../parts/basics";
import { Form } from "../parts/form";
import { Tabs } from "../parts/tabs";
import { When } from "../parts/when";
import { act } from "../state/act";
import { clockOffset, ownZone, chooseZone, zone } from "../state/clock";
import { useLoaded } from "../state/loaded";
import { notify } from "../state/notices";
import { renamed, who } from "../state/who";
import { address, session } from "../state/session";
import { LANGUAGES, language, speak, words, type Language } from "../words";

export default function Settings() {
  return (
    <>
      <Head title={words().pages.settings} note={address.value || who(session.value?.subject)} />
      <Tabs of="/console/settings" first={words().settings.you} />
      <div class="stack">
        {session.value?.subject?.startsWith("users/") && <Profile />}
        <Browser />
      </div>
    </>
  );
}

function Profile() {
  const found = useLoaded((signal) => api.GET("/v1/profile", { signal }), []);
  const user = found.data;
  const save = async (profile: { displayName: string; locale: string }) => {
    const query = { updateMask: "displayName,locale" };
    const changed = await api.PATCH("/v1/profile", { params: { query }, body: profile });
    renamed(changed.name);
    found.put(() => changed);
    notify({ text: words().settings.saved });
  };
  return (
    <Section title={words().settings.profile}>
      <Pending of={found} rows={4} />
      {user && (
        <>
          <Facts>
            <Fact name={words().settings.address}>{user.email}</Fact>
            <Fact name={words().settings.username}>{user.username}</Fact>
            <Fact name={words().access.role}>{user.roleName?.replace("roles/", "")}</Fact>
            <Fact name={words().alarm.made}>
              <When at={user.createTime} />
            </Fact>
            <Fact name={words().access.roleId}>
              <Copy text={user.name ?? ""} />
            </Fact>
          </Facts>
          <ProfileForm key={user.name} user={user} save={save} />
        </>
      )}
    </Section>
  );
}

function ProfileForm({ user, save }: { user: Schemas["auth.v1.User"]; save: (profile: { displayName: string; locale: string }) => Promise<void> }) {
  return (
    <Form id="profile" first={{ displayName: user.displayName ?? "", locale: user.locale ?? "" }} send={save} name={words().save}>
      {(field) => (
        <>
          {field.text("displayName", words().settings.name, { max: 100, autocomplete: "name" })}
          {field.choice("locale", words().settings.mails, [...new Set([user.locale ?? "", "", ...Object.keys(LANGUAGES)])].map((id) => [id, LANGUAGES[id as Language] ?? (id || words().settings.standard)] as const))}
        </>
      )}
    </Form>
  );
}

function Browser() {
  const signOut = () =>
    act(async () => {
      const said = (await answered("DELETE /session", fetch("/session", { method: "DELETE", credentials: "same-origin" }))) as { endSessionUrl?: string } | "";
      location.assign((said && said.endSessionUrl) || "/sign-in");
    }, "");
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
          <select value={zone.value} onChange={(event) => chooseZone(event.currentTarget.value)}>
            {[...new Set([ownZone, "UTC", ...Intl.supportedValuesOf("timeZone")])].map((name) => (
              <option key={name} value={name}>
                {name === ownZone ? words().settings.ownZone(name) : name}
              </option>
            ))}
          </select>
        </label>
        {clockOffset() !== 0 && <p class="said">{words().settings.clockOff(Math.round(clockOffset() / 1000))}</p>}
        <div class="actions">
          <Button onPress={signOut}>{words().settings.signOut}</Button>
        </div>
      </div>
    </Section>
  );
}
