import type { Permission, Role } from "../core/auth.ts";

/** Who may do what: a row for each permission, so that nobody has one that is not named here. */
export const PERMISSION_ROLES: Readonly<Record<Permission, readonly Role[]>> = {
  "models.read": ["admin", "operator", "user", "readonly"],
  "models.use": ["admin", "operator", "user"],
  "models.manage": ["admin", "operator"],
  "cluster.read": ["admin", "operator", "user", "readonly"],
  "cluster.manage": ["admin", "operator"],
  "history.read": ["admin", "operator", "readonly"],
  "audit.read": ["admin", "operator"],
  "keys.manage": ["admin"],
};

export function may(role: Role, permission: Permission): boolean {
  return PERMISSION_ROLES[permission].includes(role);
}
