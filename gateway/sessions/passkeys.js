// Signs in by a passkey. Without this file, or without passkeys, the page is what it was: its form stays hidden.
"use strict";

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (typeof PublicKeyCredential !== "function" || !("parseRequestOptionsFromJSON" in PublicKeyCredential)) break;
  const { challenge, passkeyResponse } = form.elements;
  const button = form.querySelector("button");
  const refused = form.querySelector("[role=alert]");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    refused.hidden = true;
    try {
      const answer = await fetch("/sign-in/passkey", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ challenge: form.dataset.passkey }),
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const begun = await answer.json();
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(begun.options));
      challenge.value = begun.challenge;
      passkeyResponse.value = JSON.stringify(await navigator.credentials.get({ publicKey }));
      form.submit(); // this time without the event
    } catch {
      refused.hidden = false; // nobody, or no device, was there; or the person said no
      button.disabled = false;
    }
  });
}
