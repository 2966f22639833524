/** The pages of each day, as one file: together they compress to less than two thirds of what they are one by one.
 *
 * They stand in the order in which they compress best: gzip looks back 32 KB, so that pages that are alike are to be neighbours.
 */

export { default as OnCall } from "./on-call";
export { default as Templates } from "./templates";
export { default as Imports } from "./imports";
export { default as Inbox } from "./inbox";
export { default as Deliveries } from "./deliveries";
export { default as Incidents } from "./incidents";
export { default as Silences } from "./silences";
export { default as Alarms } from "./alarms";
export { default as OnCallSetup } from "./on-call-setup";
export { default as Firings } from "./firings";
export { default as Integrations } from "./integrations";
export { default as Groups } from "./groups";
export { default as Policies } from "./policies";
export { default as Events } from "./events";
export { default as People } from "./people";
export { default as Readings } from "./readings";
export { default as Heartbeats } from "./heartbeats";
