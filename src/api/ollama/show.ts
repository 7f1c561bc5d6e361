import type { Context } from "hono";
import { formatShortName } from "../../core/model-name.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { readJson } from "../http/read-body.ts";
import { jsonReply, routeHeaders } from "../http/reply.ts";
import { type ApiEnv, requestSignal } from "../http/request-signal.ts";
import { isRecord } from "../json/decode.ts";
import { refuseCloudModel } from "./cloud.ts";
import { OBJECT } from "./fields.ts";
import { findModel, parseWantedName, refuseTwoSources, shortNameOf } from "./find-model.ts";
import { localTimestamp } from "./times.ts";

export const SHOW_SHAPE = {
  name: "ShowRequest",
  fields: { model: "string", name: "string", verbose: "bool", system: "string", options: OBJECT },
} as const;

interface Body {
  readonly model?: string;
  readonly name?: string;
  readonly verbose?: boolean;
  readonly system?: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** This editor takes the base name for the model's name, so Ollama tells it the name that it asked for. */
const EDITOR_AGENT = "GitHubCopilotChat/";

/** POST /api/show, from this node's files or a holder's. */
export async function show(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: Body = await readJson(c.req.raw, context.options.bodyBytesMax, SHOW_SHAPE);
  const text = body.model || body.name || "";
  if (text === "") throw new HttpError(400, "model is required");
  refuseTwoSources(text);
  const name = parseWantedName(text);
  if (!name) throw new HttpError(400, "invalid model name");
  const record = findModel(context.replicas, name);
  if (!record) {
    refuseCloudModel(text, "remote model details are unavailable");
    throw new HttpError(404, `model '${formatShortName(name)}' not found`);
  }
  const { description, route } = await context.inference.show(
    record.manifest,
    {
      verbose: body.verbose ?? false,
      ...(body.system ? { system: body.system } : {}),
      ...(body.options && Object.keys(body.options).length > 0 ? { parameters: body.options } : {}),
    },
    { signal: requestSignal(c) },
  );
  const { model_info: info, modelfile } = description;
  const forEditor = c.req.header("user-agent")?.startsWith(EDITOR_AGENT) && isRecord(info);
  return jsonReply(
    {
      ...description,
      // Several names may stand for one manifest, and whoever described it knows only that.
      ...(typeof modelfile === "string" && { modelfile: named(modelfile, record.name) }),
      modified_at: localTimestamp(record.modifiedAtMs),
      ...(forEditor ? { model_info: { ...info, "general.basename": text } } : {}),
    },
    routeHeaders(route),
  );
}

/** The Modelfile's own hint at how to build on it. */
function named(modelfile: string, name: string): string {
  return modelfile.replace(/^# FROM .*$/m, () => `# FROM ${shortNameOf(name)}`);
}
