/** The pages of whoever runs it: the mesh, access, settings. Who only works with alarms and incidents does not load them. */

export { default as Mesh } from "./mesh";
export { default as Settings } from "./settings";
export { default as Security } from "./security";
export { default as Pii } from "./pii";
export { default as OwnTenant } from "./tenant";
export { default as Programs } from "./programs";
export { default as Audit } from "./audit";
export { default as Roles } from "./roles";
export { default as Access } from "./access";
export { default as IdentityProviders } from "./identity-providers";
export { default as Tenants } from "./tenants";
export { default as AllKeys } from "./keys";
export { default as Providers } from "./providers";
