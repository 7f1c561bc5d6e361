import type { Context } from "hono";
import type { RouteContext } from "../deps.ts";
import { readValue } from "../http/read-body.ts";
import { noteModel } from "../http/recorded.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { type Decoded, decodeStruct, type Shape } from "../json/decode.ts";
import { isTooDeep } from "../json/depth.ts";
import { JsonError } from "../json/scan.ts";

/** The JSON of a request for inference. */
export async function readAsk(
  c: Context<ApiEnv>,
  { options }: RouteContext,
  shape: { readonly name: string; readonly fields: Readonly<Record<string, Shape>> },
): Promise<Decoded> {
  const value = await readValue(c.req.raw, options.bodyBytesMax);
  noteModel(c, value);
  if (isTooDeep(value)) throw new JsonError("exceeded max depth");
  return decodeStruct(value, shape);
}
