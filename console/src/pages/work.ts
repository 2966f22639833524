/** The pages of what one works with every day, as one file: together they compress better than one by one. */

export { default as Alarms } from "./alarms";
export { default as Audit } from "./audit";
export { default as Deliveries } from "./deliveries";
export { default as Firings } from "./firings";
export { default as Inbox } from "./inbox";
export { default as Incidents } from "./incidents";
export { default as Mesh } from "./mesh";
export { default as Templates } from "./templates";
