/** The pages of what one works with every day, as one file: together they compress to two thirds of what they are one by one. */

export { default as Alarms } from "./alarms";
export { default as Audit } from "./audit";
export { default as Deliveries } from "./deliveries";
export { default as Events } from "./events";
export { default as Firings } from "./firings";
export { default as Groups } from "./groups";
export { default as Heartbeats } from "./heartbeats";
export { default as Imports } from "./imports";
export { default as Inbox } from "./inbox";
export { default as Incidents } from "./incidents";
export { default as Integrations } from "./integrations";
export { default as Mesh } from "./mesh";
export { default as OnCall } from "./on-call";
export { default as OnCallSetup } from "./on-call-setup";
export { default as People } from "./people";
export { default as Policies } from "./policies";
export { default as Readings } from "./readings";
export { default as Templates } from "./templates";
