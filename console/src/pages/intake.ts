/** The pages of what comes in, as one file: together they compress better than one by one. */

export { default as Events } from "./events";
export { default as Heartbeats } from "./heartbeats";
export { default as Integrations } from "./integrations";
export { default as Readings } from "./readings";
