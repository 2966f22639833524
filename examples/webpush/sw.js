// Runs without the page: shows what comes, and opens what is clicked.
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

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  // A button's action is its URL; a click beside the buttons means the first one.
  const url = event.action || event.notification.data?.url;
  if (/^https?:/.test(url ?? "")) event.waitUntil(self.clients.openWindow(url));
});
