import type { Context } from "hono";
import { z } from "zod";
import type { CatalogChange } from "../../core/catalog.ts";
import type { RouteContext } from "../deps.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { filterText, listingReply } from "./listing.ts";

const filters = z.object({ table: filterText, operation: filterText });

/** GET /api/cluster/audit: what was changed, the latest first. */
export function audit(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  return listingReply(c, context, {
    name: "changes",
    filters,
    page: (filter, page, o) => context.catalog.audit(filter, page, o),
    entry,
  });
}

function entry(change: CatalogChange): Readonly<Record<string, unknown>> {
  return {
    at: change.at,
    table: change.table,
    operation: change.operation,
    user_id: change.userId,
    before: change.before,
    after: change.after,
  };
}
