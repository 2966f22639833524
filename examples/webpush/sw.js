// Runs without the page: shows what comes, answers incidents, and opens what is clicked.
"use strict";

const message = (data) => {
  try {
    const { title = "Tocsin", body = "", actions = [], data: about = {} } = data.json();
    return { title, body, actions, about };
  } catch {
    return { title: "Tocsin", body: "", actions: [], about: {} };
  }
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  const { title, body, actions, about } = message(event.data);
  // One delivery is one notification, however often it comes: its name is the tag.
  const shown = self.registration.showNotification(title, { body, actions, data: about, tag: about.delivery, requireInteraction: true });
  const tell = (pages) => pages.forEach((page) => page.postMessage({ title, body, actions, about }));
  event.waitUntil(shown.then(() => self.clients.matchAll({ type: "window" })).then(tell));
});

// The page behind the link says how it stands, so it is opened if this device cannot tell whether the answer came through.
const answer = async (url, { title, data }) => {
  try {
    const answered = await fetch(url, { method: "POST" });
    if (!answered.ok) throw new Error(answered.statusText);
    await self.registration.showNotification(title, { body: "✓", data: { delivery: data.delivery, url }, tag: data.delivery });
  } catch {
    await self.clients.openWindow(url);
  }
};

self.addEventListener("notificationclick", (event) => {
  const { notification, action } = event;
  notification.close();
  // A button's action is its URL; a click beside the buttons means the first one, and opens it.
  const url = action || notification.data?.url;
  if (!/^https?:/.test(url ?? "")) return;
  const answers = action && (notification.data?.answers ?? []).includes(action);
  event.waitUntil(answers ? answer(url, notification) : self.clients.openWindow(url));
});
