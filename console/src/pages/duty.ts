/** The pages of who is on call, as one file: together they compress better than one by one. */

export { default as OnCall } from "./on-call";
export { default as OnCallSetup } from "./on-call-setup";
export { default as Policies } from "./policies";
