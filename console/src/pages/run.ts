/** The pages of settings and administration, as one file: together they compress to two thirds. */

export { default as Access } from "./access";
export { default as IdentityProviders } from "./identity-providers";
export { default as AllKeys } from "./keys";
export { default as Pii } from "./pii";
export { default as Programs } from "./programs";
export { default as Providers } from "./providers";
export { default as Roles } from "./roles";
export { default as Security } from "./security";
export { default as Settings } from "./settings";
export { default as OwnTenant } from "./tenant";
export { default as Tenants } from "./tenants";
