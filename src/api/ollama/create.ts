import type { Context } from "hono";
import { messageOf } from "../../core/errors.ts";
import { GoTemplate } from "../../core/go-template/template.ts";
import type { Message } from "../../core/inference.ts";
import type { CreateRequest, ModelInfo, Progress } from "../../core/management.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { readJson } from "../http/read-body.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { isRecord, mismatch, type Shape } from "../json/decode.ts";
import { withinOf } from "./copy.ts";
import { IMAGES, OBJECT } from "./fields.ts";
import { parseWantedName } from "./find-model.ts";
import { parseOptions } from "./options.ts";
import { progressReply } from "./progress.ts";

/** File name → digest. */
const FILES: Shape = {
  type: "map[string]string",
  custom: (value, path) => {
    if (!isRecord(value)) throw mismatch(value, path, "map[string]string");
    for (const item of Object.values(value)) {
      if (typeof item !== "string") throw mismatch(item, path, "string");
    }
    return value;
  },
};

export const CREATE_SHAPE = {
  name: "CreateRequest",
  fields: {
    model: "string",
    name: "string",
    stream: "bool",
    from: "string",
    remote_host: "string",
    files: FILES,
    draft_files: FILES,
    adapters: FILES,
    template: "string",
    license: "any",
    system: "string",
    parameters: OBJECT,
    messages: {
      list: {
        name: "Message",
        fields: { role: "string", content: "string", thinking: "string", images: IMAGES },
      },
    },
    renderer: "string",
    parser: "string",
    requires: "string",
    quantize: "string",
    quantization: "string",
    draft_quantize: "string",
    info: OBJECT,
  },
} as const;

interface Body {
  readonly model?: string;
  readonly name?: string;
  readonly stream?: boolean;
  readonly from?: string;
  readonly remote_host?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly draft_files?: Readonly<Record<string, string>>;
  readonly adapters?: Readonly<Record<string, string>>;
  readonly template?: string;
  readonly license?: unknown;
  readonly system?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly messages?: readonly Partial<Message>[];
  readonly renderer?: string;
  readonly parser?: string;
  readonly requires?: string;
  readonly quantize?: string;
  readonly quantization?: string;
  readonly draft_quantize?: string;
  readonly info?: Readonly<Record<string, unknown>>;
}

/** POST /api/create: on this node, or one that has `from`. */
export async function create(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: Body = await readJson(c.req.raw, context.options.bodyBytesMax, CREATE_SHAPE);
  const request = requestOf(body);
  const lines = (o: ReturnType<typeof withinOf>): AsyncIterable<Progress> =>
    context.management.create(request, o);
  return await progressReply(c, lines(withinOf(c)), body.stream ?? true, context);
}

function requestOf(body: Body): CreateRequest {
  const name = parseWantedName(body.model || body.name || "");
  const from = body.from ? parseWantedName(body.from) : undefined;
  if (!name || (body.from && !from)) throw new HttpError(400, "invalid model name");
  const { files, adapters = {}, messages = [], template } = body;
  if (body.remote_host) {
    throw new HttpError(
      501,
      "remote models are not supported: let the other server join the cluster",
    );
  }
  if (Object.keys(body.draft_files ?? {}).length > 0) {
    throw new HttpError(501, "DRAFT models are not supported");
  }
  if (body.draft_quantize) throw new HttpError(400, "--draft-quantize requires a DRAFT model");
  if (!from && files && Object.keys(files).length === 0) {
    throw new HttpError(400, "no files provided to convert");
  }
  checkTemplate(template ?? "");
  const quantize = body.quantize || body.quantization;
  return {
    name,
    ...(from ? { from } : {}),
    // As in Ollama, `from` wins.
    files: from ? {} : (files ?? {}),
    adapters,
    ...given("template", template),
    ...given("system", body.system),
    licenses: licensesOf(body.license),
    parameters: parametersOf(body.parameters ?? {}),
    messages: messages.map((message) => ({ ...message, ...rolesOf(message) })),
    ...given("renderer", body.renderer),
    ...given("parser", body.parser),
    ...given("requires", body.requires),
    ...given("quantize", quantize),
    ...(body.info ? { info: infoOf(body.info) } : {}),
  };
}

/** What a client says of the model in place of what its files say. */
function infoOf(info: Readonly<Record<string, unknown>>): ModelInfo {
  const refuse = (field: string, wanted: string): never => {
    throw new HttpError(400, `info field ${JSON.stringify(field)} must be ${wanted}`);
  };
  const text = (field: string): string => {
    const value = info[field] ?? "";
    return typeof value === "string" ? value : refuse(field, "a string");
  };
  const count = (field: string): number => {
    const value = info[field] ?? 0;
    if (typeof value !== "number") return refuse(field, "a number");
    if (value < 0 || !Number.isInteger(value)) return refuse(field, "a non-negative integer");
    return value;
  };
  const { capabilities } = info;
  const listed = Array.isArray(capabilities) ? capabilities : [];
  return {
    ...{ family: text("model_family"), baseName: text("base_name") },
    ...{ quantization: text("quantization_level"), parameterSize: text("parameter_size") },
    ...{ contextLength: count("context_length"), embeddingLength: count("embedding_length") },
    capabilities: listed.filter((capability) => typeof capability === "string"),
  };
}

function checkTemplate(template: string): void {
  try {
    GoTemplate.parse(template);
  } catch (error) {
    throw new HttpError(400, `template error: ${messageOf(error)}`);
  }
}

/** The empty text is as good as none. */
function given<K extends string>(
  key: K,
  value: string | undefined,
): { readonly [k in K]?: string } {
  return value ? ({ [key]: value } as { readonly [k in K]: string }) : {};
}

function rolesOf({ role = "", content = "" }: Partial<Message>): Message {
  return { role: role.toLowerCase(), content };
}

function licensesOf(license: unknown): readonly string[] {
  const texts: readonly unknown[] = Array.isArray(license) ? license : [license ?? ""];
  if (texts.every((text) => typeof text === "string")) return texts.filter((text) => text !== "");
  throw new HttpError(400, "license must be a text or a list of texts");
}

/** What a request could not set cannot be a default either: it would break each use of the model. */
function parametersOf(
  parameters: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const { stop } = parameters;
  const wanted = typeof stop === "string" ? { ...parameters, stop: [stop] } : parameters;
  try {
    parseOptions(wanted);
  } catch (error) {
    throw error instanceof HttpError ? new HttpError(400, error.message) : error;
  }
  return wanted;
}
