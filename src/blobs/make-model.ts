import { createHash } from "node:crypto";
import { type BlobDigest, formatDigest, parseBlobDigest } from "../core/digest.ts";
import type { Message } from "../core/inference.ts";
import type { CreateRequest, ModelInfo, Progress } from "../core/management.ts";
import { formatManifest, type Layer, type Manifest } from "../core/manifest.ts";
import { formatShortName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";
import type { Quantization } from "../core/quantization.ts";
import type { AdapterBase } from "./convert/model-shape.ts";
import { readGguf } from "./gguf.ts";
import { ggufFacts } from "./gguf-facts.ts";
import { planMerge } from "./gguf-merge.ts";
import { type GgufPart, invalid, readPart } from "./gguf-part.ts";
import { type GgufSource, MergedSource } from "./gguf-source.ts";
import { blobPath } from "./layout.ts";
import { modelConfigOf } from "./model-config.ts";
import { LAYER_BYTES_MAX, MESSAGES_MAX, readModelLayers, readTextBlob } from "./model-layers.ts";
import type { ModelStore } from "./model-store.ts";
import { quantizationOf } from "./quantization.ts";
import { adapterBaseOf, hasSafetensors, readCheckpoint } from "./sent-checkpoint.ts";
import { checkBlobs, modelLayerOf } from "./whole-model.ts";

/** Ollama's, of work on what has no digest yet. */
export const NO_DIGEST = "0".repeat(19);

const LICENSES_MAX = 1_000;

type Json = Readonly<Record<string, unknown>>;

/** A layer that is made of several files. */
export interface UnmadeLayer {
  /** One of the files, which stands for the layer until it is there. */
  readonly standIn: Layer;
  /** What is told while it is made. */
  readonly status: string;
  readonly source: GgufSource;
}

/** The files and the config that a model begins with. */
export interface Draft {
  readonly layers: readonly Layer[];
  readonly config: Json;
  /** The one of its files that holds the weights. */
  readonly model: GgufPart;
  /** Layers that are still to be made of the files that came. */
  readonly unmade: readonly UnmadeLayer[];
  /** What they are to be turned into first. */
  readonly quantization?: Quantization;
  /** What of them has been made here, and was not here before. */
  readonly newBlobs: readonly BlobDigest[];
  readonly lines: readonly Progress[];
}

interface Writing extends Waiting {
  /** Learns of each blob that was not there before. */
  readonly onBlob: (digest: BlobDigest) => void;
}

interface Base extends Pick<Draft, "layers" | "config" | "model" | "unmade"> {
  /** Where there is no GGUF file to read it from. */
  readonly shape?: AdapterBase | undefined;
}

/** The layers of `from`, or the files: what can be known to be wrong with them and with the request is told here. */
export async function draftModel(
  store: ModelStore,
  parent: Manifest | undefined,
  request: CreateRequest,
  o: Waiting,
): Promise<Draft> {
  checkRequest(request);
  const lines: Progress[] = [];
  const { shape, ...base } = parent
    ? await baseOf(store, parent, request, o)
    : await baseOfFiles(store, request, lines, o);
  const quantization = quantizationOf(request.quantize, base.model.facts.quantization);
  const adapter = await adapterOf(store, request, { model: base.model, shape }, o);
  return {
    ...base,
    layers: [...base.layers, ...adapter.layers],
    unmade: [...base.unmade, ...adapter.unmade],
    newBlobs: [],
    ...(quantization !== undefined && { quantization }),
    lines,
  };
}

async function adapterOf(
  store: ModelStore,
  { adapters }: CreateRequest,
  { model, shape }: Pick<Base, "model" | "shape">,
  o: Waiting,
): Promise<Pick<Base, "layers" | "unmade">> {
  if (!hasSafetensors(adapters)) {
    const parts = [];
    for (const file of Object.entries(adapters)) parts.push(await readPart(store, file, o));
    const layers = parts.map(({ layer }) => layer);
    if (layers.some(({ kind }) => kind !== "adapter")) throw invalid("supplied file is no adapter");
    return { layers, unmade: [] };
  }
  const base = shape ?? (await adapterBaseOf(blobPath(store.layout, model.layer.digest), o));
  const unmade = await readCheckpoint(store, adapters, { kind: "adapter", base }, o);
  return { layers: [unmade.standIn], unmade: [unmade] };
}

/**
 * Makes a model's manifest as Ollama's server does (server/create.go): the layers of its draft; then what the request says for
 * itself. Template, system and messages replace, licenses add up, parameters merge. Every blob that the manifest names is in
 * the store then; the manifest itself is not.
 */
export async function makeModel(
  store: ModelStore,
  parent: Manifest | undefined,
  draft: Draft,
  request: CreateRequest,
  o: Writing,
): Promise<{ readonly manifest: Uint8Array; readonly lines: readonly Progress[] }> {
  const lines = [...draft.lines];
  const writer = new LayerWriter(store, lines, o);
  for (const layer of draft.layers) writer.keep(layer, draft.newBlobs.includes(layer.digest));
  for (const [kind, text] of await textsOf(store, parent, request, o))
    await writer.write(kind, text);
  const diffIds = writer.layers.map(({ digest }) => formatDigest(digest));
  const config = await writer.put(configOf(draft.config, request, diffIds));
  return { manifest: formatManifest({ config, layers: writer.layers }), lines };
}

function checkRequest({ files, from, adapters, licenses, messages }: CreateRequest): void {
  if (!from && Object.keys(files).length === 0) {
    throw invalid("neither 'from' or 'files' was specified");
  }
  if (Object.keys(adapters).length > 1 && !hasSafetensors(adapters)) {
    throw invalid("only one adapter is currently supported");
  }
  if (licenses.length > LICENSES_MAX)
    throw invalid(`at most ${LICENSES_MAX} licenses are accepted`);
  if (messages.length > MESSAGES_MAX)
    throw invalid(`at most ${MESSAGES_MAX} messages are accepted`);
}

async function baseOf(
  store: ModelStore,
  parent: Manifest,
  { from, adapters, template, system, messages, parameters }: CreateRequest,
  o: Waiting,
): Promise<Base> {
  await checkBlobs(store.layout, parent);
  const replaced = new Set([
    // They add up, and are written anew together.
    "license",
    ...(template === undefined ? [] : ["template", "prompt"]),
    ...(system === undefined ? [] : ["system"]),
    ...(messages.length === 0 ? [] : ["messages"]),
    ...(Object.keys(parameters).length === 0 ? [] : ["params"]),
    ...(Object.keys(adapters).length === 0 ? [] : ["adapter"]),
  ]);
  const config: unknown = JSON.parse(
    await readTextBlob(store.layout, { kind: "config", digest: parent.config.digest }, o),
  );
  const layer = modelLayerOf(parent);
  const gguf = await readGguf(blobPath(store.layout, layer.digest), { verbose: false }, o);
  return {
    layers: parent.layers
      .filter(({ kind }) => !replaced.has(kind))
      .map((layer) =>
        layer.kind === "model" && from ? { ...layer, from: formatShortName(from) } : layer,
      ),
    config: isJson(config) ? config : {},
    model: { layer, facts: ggufFacts(gguf) },
    unmade: [],
  };
}

async function baseOfFiles(
  store: ModelStore,
  { files }: CreateRequest,
  lines: Progress[],
  o: Waiting,
): Promise<Base> {
  if (hasSafetensors(files)) return await baseOfCheckpoint(store, files, o);
  const parts = [];
  for (const file of Object.entries(files)) {
    lines.push({ status: "parsing GGUF" });
    parts.push(await readPart(store, file, o));
  }
  lines.push({ status: "validating GGUF model" });
  const [model, ...others] = parts.filter(({ layer }) => layer.kind === "model");
  if (!model) throw invalid("unknown type");
  if (model.split) return await baseOfSplits(files, parts);
  if (others.length > 0) throw invalid("only one model's file can be used: more than one was sent");
  return {
    layers: parts.map(({ layer }) => layer),
    config: modelConfigOf(model.facts),
    model,
    unmade: [],
  };
}

async function baseOfCheckpoint(
  store: ModelStore,
  files: CreateRequest["files"],
  o: Waiting,
): Promise<Base> {
  const { shape, ...unmade } = await readCheckpoint(store, files, { kind: "model" }, o);
  const { standIn, source } = unmade;
  return {
    layers: [standIn],
    config: modelConfigOf(source.facts),
    model: { layer: standIn, facts: source.facts },
    unmade: [unmade],
    shape,
  };
}

async function baseOfSplits(
  files: CreateRequest["files"],
  parts: readonly GgufPart[],
): Promise<Base> {
  const names = new Map(Object.keys(files).map((name, i) => [parts[i]?.split?.file, name]));
  const whole = parts.filter(({ split }) => !split);
  const [first, ...others] = parts.filter(({ split }) => split);
  if (!first) throw new Error("no part to merge");
  if (whole.some(({ layer }) => layer.kind === "model")) {
    throw invalid("only one model's file can be used: more than one was sent");
  }
  const splits = [first, ...others].flatMap(({ split }) => split ?? []);
  const merged = await planMerge(splits, (file) => names.get(file) ?? "a part");
  const { facts } = merged;
  if (facts.architecture === "" || facts.parameterCount === 0) throw invalid("unknown type");
  const source = new MergedSource(merged);
  return {
    layers: [first, ...whole].map(({ layer }) => layer),
    config: modelConfigOf(facts),
    model: { ...first, facts },
    unmade: [{ standIn: first.layer, status: "merging GGUF parts", source }],
  };
}

/** Of the small layers, those to write, in Ollama's order. */
async function textsOf(
  store: ModelStore,
  parent: Manifest | undefined,
  request: CreateRequest,
  o: Waiting,
): Promise<readonly (readonly [kind: string, text: string])[]> {
  const before = parent && (await readModelLayers(store.layout, parent, o));
  const { template, system, licenses, parameters, messages } = request;
  const merged = { ...before?.parameters, ...parameters };
  return [
    ...(template === undefined ? [] : [["template", template] as const]),
    ...(system === undefined ? [] : [["system", system] as const]),
    ...[...new Set([...(before?.licenses ?? []), ...licenses])].map(
      (license) => ["license", license] as const,
    ),
    ...(Object.keys(parameters).length === 0 ? [] : [["params", JSON.stringify(merged)] as const]),
    ...(messages.length === 0
      ? []
      : [["messages", JSON.stringify(messages.map(messageLayer))] as const]),
  ];
}

function messageLayer({ role, content, thinking, images }: Message): Json {
  return {
    role,
    content,
    ...(thinking === undefined ? {} : { thinking }),
    ...(images === undefined ? {} : { images }),
  };
}

function configOf(
  base: Json,
  { renderer, parser, requires, info = {} }: CreateRequest,
  diffIds: readonly string[],
): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      ...base,
      ...(renderer === undefined ? {} : { renderer }),
      ...(parser === undefined ? {} : { parser }),
      ...(requires === undefined ? {} : { requires }),
      ...infoOf(base, info),
      rootfs: { type: "layers", diff_ids: diffIds },
    }),
  );
}

/** As Ollama's config has it: what is said counts more than what was found, and capabilities add up. */
function infoOf({ capabilities: known }: Json, info: ModelInfo): Json {
  const { family, contextLength, embeddingLength, capabilities = [] } = info;
  return {
    ...(family ? { model_family: family, model_families: [family] } : {}),
    ...(info.baseName ? { base_name: info.baseName } : {}),
    ...(info.quantization ? { file_type: info.quantization } : {}),
    ...(info.parameterSize ? { model_type: info.parameterSize } : {}),
    ...(contextLength ? { context_length: contextLength } : {}),
    ...(embeddingLength ? { embedding_length: embeddingLength } : {}),
    ...(capabilities.length > 0
      ? { capabilities: [...new Set([...(Array.isArray(known) ? known : []), ...capabilities])] }
      : {}),
  };
}

/** Collects a manifest's layers, and a line for each. */
class LayerWriter {
  readonly layers: Layer[] = [];
  readonly #store: ModelStore;
  readonly #lines: Progress[];
  readonly #o: Writing;

  constructor(store: ModelStore, lines: Progress[], o: Writing) {
    this.#store = store;
    this.#lines = lines;
    this.#o = o;
  }

  keep(layer: Layer, isNew: boolean): void {
    this.layers.push(layer);
    const verb = isNew ? "creating new" : "using existing";
    this.#lines.push({ status: `${verb} layer ${formatDigest(layer.digest)}` });
  }

  async write(kind: string, text: string): Promise<void> {
    const bytes = Buffer.from(text);
    if (bytes.length > LAYER_BYTES_MAX) {
      throw invalid(`the ${kind} is too large: at most ${LAYER_BYTES_MAX} bytes are accepted`);
    }
    const { digest, sizeBytes, isNew } = await this.put(bytes);
    this.keep({ kind, digest, sizeBytes }, isNew);
  }

  /** In the store, unless it is there already. */
  async put(bytes: Uint8Array) {
    const known = parseBlobDigest(createHash("sha256").update(bytes).digest("hex"));
    const sizeBytes = bytes.length;
    const found = known && (await this.#store.stat(known));
    if (known && found?.sizeBytes === sizeBytes) return { digest: known, sizeBytes, isNew: false };
    await using partial = await this.#store.create(this.#o);
    await partial.write(bytes, this.#o);
    const digest = await partial.commit(this.#o);
    this.#o.onBlob(digest);
    return { digest, sizeBytes, isNew: true };
  }
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
