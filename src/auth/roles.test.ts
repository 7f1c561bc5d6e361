import t from "tap";
import { PERMISSIONS, type Permission, ROLES, type Role } from "../core/auth.ts";
import { may } from "./roles.ts";

t.test("who may do what", (t) => {
  const rows: readonly [Role, readonly Permission[]][] = [
    ["admin", PERMISSIONS],
    ["operator", PERMISSIONS.filter((permission) => permission !== "keys.manage")],
    ["user", ["models.read", "models.use", "cluster.read"]],
    ["readonly", ["models.read", "cluster.read", "history.read"]],
  ];
  t.same(
    rows.map(([role]) => role),
    ROLES,
  );
  for (const [role, permissions] of rows) {
    t.same(
      PERMISSIONS.filter((permission) => may(role, permission)),
      permissions,
      role,
    );
  }
  t.end();
});
