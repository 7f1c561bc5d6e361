import type { Capability, ModelRecord } from "../../core/model.ts";
import {
  formatFullName,
  formatShortName,
  type ModelName,
  parseModelName,
  sameName,
} from "../../core/model-name.ts";
import type { ReplicaIndex } from "../../core/ports.ts";
import { writesThinkTags } from "../../core/think-tags.ts";
import { HttpError } from "../http/http-error.ts";
import type { AskedNames } from "./asked-names.ts";
import { refuseCloudModel } from "./cloud.ts";

interface Known {
  readonly replicas: Pick<ReplicaIndex, "models">;
  readonly asked: AskedNames;
}

/** What the cluster can serve under this name, in whatever casing; undefined when nothing. */
export function findModel(
  replicas: Pick<ReplicaIndex, "models">,
  name: ModelName,
): ModelRecord | undefined {
  for (const { record } of replicas.models()) {
    const known = parseModelName(record.name);
    if (known && sameName(known, name)) return record;
  }
  return undefined;
}

/** Ollama takes these two, at the end of a name, for where the model runs; the name stands before them. */
const TWO_SOURCES = /:(local:cloud|cloud:local)$/i;
const LOCAL_SOURCE = /:local$/i;
/** After a tag it is part of the tag. */
const CLOUD_AFTER_TAG = /(:[^/:]+):cloud$/i;

/** The name that a client means; undefined when it is none. */
export function parseWantedName(text: string): ModelName | undefined {
  return parseModelName(text.replace(LOCAL_SOURCE, "").replace(CLOUD_AFTER_TAG, "$1-cloud"));
}

export function refuseTwoSources(text: string): void {
  if (!TWO_SOURCES.test(text)) return;
  throw new HttpError(400, `use either :local or :cloud, not both: ${JSON.stringify(text)}`);
}

/** For generate and chat: an invalid name is a 400, one that nobody has a 404. */
export function requireModel({ replicas, asked }: Known, text: string): ModelRecord {
  refuseTwoSources(text);
  const name = parseWantedName(text);
  if (!name) throw new HttpError(400, "invalid model name");
  const record = findModel(replicas, name);
  if (record) {
    asked.remember(record);
    return record;
  }
  refuseCloudModel(text, "remote model is unavailable");
  throw new HttpError(404, `model '${text}' not found`);
}

/** For embed and embeddings, whose words differ. */
export function requireEmbeddingModel({ replicas, asked }: Known, text: string): ModelRecord {
  refuseTwoSources(text);
  const name = parseWantedName(text);
  if (!name) throw new HttpError(400, "invalid model name");
  const record = findModel(replicas, name);
  if (record) {
    asked.remember(record);
    return record;
  }
  refuseCloudModel(text, "remote model is unavailable");
  throw new HttpError(404, `model "${text}" not found, try pulling it first`);
}

export function can(record: ModelRecord, capability: Capability): boolean {
  return record.capabilities.includes(capability);
}

/** With all four parts, as some of Ollama's errors have it. */
export function fullNameOf(text: string): string {
  const name = parseModelName(text);
  return name ? formatFullName(name) : text;
}

/** As lists show it. */
export function shortNameOf(text: string): string {
  const name = parseModelName(text);
  return name ? formatShortName(name) : text;
}

/** Think unset on a model that can means yes; asked of one that cannot, a refusal. */
export function resolveThink<T>(
  record: ModelRecord,
  model: string,
  think: T | undefined,
): T | true | undefined {
  if (think === undefined) return can(record, "thinking") ? true : undefined;
  if (think !== false && !can(record, "thinking")) {
    throw new HttpError(400, `"${model}" does not support thinking${hintFor(record)}`);
  }
  return think;
}

/** These models have learnt it since they first came out. */
function hintFor(record: ModelRecord): string {
  return writesThinkTags(record)
    ? ". Pull the model again to get the latest version with full thinking support"
    : "";
}
