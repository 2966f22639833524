// Subscribes this browser with the installation's key, and shows what comes while the page is open.
const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const received = document.querySelector("ol");
let address = "";

async function call(method, path, body) {
  const answer = await fetch(new URL(path, form.gateway.value), {
    method,
    headers: { authorization: `Bearer ${form.key.value}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error?.message ?? answer.statusText);
  return found;
}

const octets = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));

async function subscribe() {
  if ((await Notification.requestPermission()) !== "granted") throw new Error("This browser may not show notifications.");
  const worker = await navigator.serviceWorker.register("sw.js");
  await navigator.serviceWorker.ready;
  const { publicKey } = await call("GET", "/v1/push/key");
  const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: octets(publicKey) });
  address = `webpush:${JSON.stringify(subscription)}`;
  form.try.disabled = false;
  return "This device is subscribed.";
}

async function sendOne() {
  const notification = { to: [address], channels: ["push"], subject: "It works", text: "This came by Web Push.", priority: "CRITICAL" };
  await call("POST", "/v1/notifications", notification);
  return "On its way.";
}

async function tell(work) {
  try {
    status.textContent = await work();
  } catch (error) {
    status.textContent = error.message;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  tell(subscribe);
});
form.try.addEventListener("click", () => tell(sendOne));

navigator.serviceWorker.addEventListener("message", ({ data: { title, body, actions, about } }) => {
  const item = document.createElement("li");
  item.dataset.delivery = about.delivery;
  const heading = document.createElement("strong");
  heading.textContent = title;
  const links = actions.filter(({ action }) => /^https?:/.test(action)).map(({ action, title: label }) => {
    const link = document.createElement("a");
    link.href = action;
    link.textContent = label;
    return link;
  });
  item.append(heading, body, document.createElement("br"), ...links);
  received.prepend(item);
});
navigator.serviceWorker.startMessages();
