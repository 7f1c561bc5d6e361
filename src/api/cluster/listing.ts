import type { Context } from "hono";
import { z } from "zod";
import {
  CatalogError,
  FILTER_LENGTH_MAX,
  PAGE_ITEMS_MAX,
  type Page,
  type PageRequest,
} from "../../core/catalog.ts";
import { AppError } from "../../core/errors.ts";
import type { Waiting } from "../../core/ports.ts";
import type { RouteContext } from "../deps.ts";
import { jsonReply } from "../http/reply.ts";
import { type ApiEnv, requestSignal } from "../http/request-signal.ts";
import { goJson } from "../json/go-json.ts";

/** One list of the registry: what may be asked of it, and how its items look to clients. */
export interface Listing<Filter, Item> {
  /** The field of the answer that holds the items. */
  readonly name: string;
  /** Of the query's parameters, by their names. */
  readonly filters: z.ZodType<Filter> & { readonly shape: object };
  readonly page: (filter: Filter, page: PageRequest, o: Waiting) => Promise<Page<Item>>;
  readonly entry: (item: Item) => Readonly<Record<string, unknown>>;
}

export const filterText = z
  .string()
  .max(FILTER_LENGTH_MAX, `must have ${FILTER_LENGTH_MAX} characters at most`)
  .optional();

export function oneOf<const T extends readonly string[]>(values: T) {
  return z.enum(values, `must be ${values.slice(0, -1).join(", ")} or ${values.at(-1)}`).optional();
}

const LIMIT_DEFAULT = 50;
const limitSchema = z
  .string()
  .regex(/^\d{1,6}$/)
  .transform(Number)
  .refine((limit) => limit >= 1 && limit <= PAGE_ITEMS_MAX)
  .optional();
const RETRY_AFTER_S = 5;

/** `next`, when there is one, is the cursor of the page after this. A database that is away is one clear 503. */
export async function listingReply<Filter, Item>(
  c: Context<ApiEnv>,
  { log }: RouteContext,
  listing: Listing<Filter, Item>,
): Promise<Response> {
  try {
    const { filter, page } = parseQuery(new URL(c.req.url).searchParams, listing);
    const { items, next } = await listing.page(filter, page, { signal: requestSignal(c) });
    return jsonReply({ [listing.name]: items.map(listing.entry), next: next ?? null });
  } catch (error) {
    if (error instanceof CatalogError) return problemReply(400, error.code, error.message);
    if (!(error instanceof AppError)) throw error;
    // Where the database is, and as whom we ask it, is for the log alone.
    log.warn({ code: error.code, problem: error.message }, "registry cannot be asked");
    const text = "the registry's database cannot be asked now; models are served all the same";
    return problemReply(503, error.code, text, { "Retry-After": String(RETRY_AFTER_S) });
  }
}

function parseQuery<Filter, Item>(
  query: URLSearchParams,
  { filters }: Listing<Filter, Item>,
): { readonly filter: Filter; readonly page: PageRequest } {
  const names = [...Object.keys(filters.shape), "limit", "cursor"];
  const texts = new Map<string, string | string[]>();
  for (const [name, value] of query) {
    if (!names.includes(name)) throw invalid(name, `is not known here: use ${names.join(", ")}`);
    if (value === "") continue;
    const before = texts.get(name);
    if (name === "tag") texts.set(name, [...(before ?? []), value]);
    else if (before === undefined) texts.set(name, value);
    else throw invalid(name, "may be given once");
  }
  const { limit: limitText, cursor, ...given } = Object.fromEntries(texts);
  const limit = limitSchema.safeParse(limitText);
  if (!limit.success) throw invalid("limit", `must be from 1 to ${PAGE_ITEMS_MAX}`);
  const filter = filters.safeParse(given);
  if (!filter.success) {
    const [issue] = filter.error.issues;
    throw invalid(String(issue?.path[0] ?? ""), issue?.message ?? "is not valid");
  }
  const page = { limit: limit.data ?? LIMIT_DEFAULT };
  return { filter: filter.data, page: typeof cursor === "string" ? { ...page, cursor } : page };
}

function invalid(name: string, what: string): CatalogError {
  const shown = /^\w{1,40}$/.test(name) ? name : "a parameter";
  return new CatalogError("FILTER_INVALID", `${shown} ${what}`);
}

function problemReply(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(goJson({ error: message, code }), {
    status,
    headers: { "Content-Type": "application/json; charset=utf-8", ...headers },
  });
}
