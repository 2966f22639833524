/** The roles of the tenant. */

import { api, idOf, type Schemas } from "../api/client";
import { useLoaded } from "./loaded";

export type Role = Schemas["auth.v1.Role"];

export function useRoles() {
  return useLoaded((signal) => api.GET("/v1/roles", { params: { query: { pageSize: 1000 } }, signal }), []);
}

/** Roles as pairs of resource name and name for people. */
export function roleOffers(roles: readonly Role[] | undefined): [string, string][] {
  return (roles ?? []).map((role) => [role.name ?? "", role.displayName || idOf(role.name)]);
}
