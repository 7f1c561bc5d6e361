import { createHash } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { Transform } from "node:stream";
import { AppError, messageOf } from "../../core/errors.ts";
import { parseModelName } from "../../core/model-name.ts";
import { type Modelfile, parseModelfile } from "../../core/modelfile.ts";
import { shutdownSignal } from "../../node/shutdown.ts";
import type { Command } from "../command.ts";
import { ProgressBar } from "../progress-bar.ts";
import { ApiClient, type Json } from "./api-client.ts";
import { followStatus } from "./follow-status.ts";
import { isPathLike, modelFiles } from "./model-files.ts";
import { readModelfileText } from "./modelfile-text.ts";

const STOP_MS = 2_000;

export const createCommand: Command = {
  usage: "MODEL [--file MODELFILE] [--quantize TYPE] [--json]",
  help: [
    "Makes a model of a Modelfile, on the node at OLLAMA_HOST. Its FROM and ADAPTER lines name models, GGUF files here (of a split model any part), or folders of them or of safetensors, which are converted.",
    "",
    "  -f, --file MODELFILE   where it lies (./Modelfile; without one, the model in this folder); - for standard input",
    "  -q, --quantize TYPE    turns the weights, of F32, F16 or BF16, into Q8_0, Q4_K_M, Q4_K_S, F16 or F32",
    "  --json                 the node's own lines, in place of bars",
  ].join("\n"),
  options: {
    file: { type: "string", short: "f" },
    quantize: { type: "string", short: "q" },
    json: { type: "boolean" },
  },
  positionals: ["MODEL"],
  run: async ({ options, positionals: [model = ""] }, outputGone) => {
    if (!parseModelName(model)) {
      const forms = "[host/][namespace/]model[:tag]";
      throw new AppError("USAGE", `${JSON.stringify(model)} is no model's name: take ${forms}`);
    }
    const file = typeof options["file"] === "string" ? options["file"] : undefined;
    const modelfile = parseModelfile(await readModelfileText(file));
    for (const name of modelfile.dropped) {
      console.error(`PARAMETER ${name} means nothing any more and is left out`);
    }
    const client = ApiClient.of(process.env);
    const folder = file === undefined || file === "-" ? "." : path.dirname(file);
    const body = {
      ...{ model, ...(await sentParts(client, modelfile, folder)) },
      ...(options["quantize"] !== undefined && { quantize: options["quantize"] }),
    };
    await followStatus(client, "/api/create", body, options["json"] === true, outputGone);
    return 0;
  },
};

/** What POST /api/create takes of a Modelfile, its files on the node. */
async function sentParts(client: ApiClient, modelfile: Modelfile, folder: string): Promise<Json> {
  const { from, adapters, licenses, dropped: _dropped, ...rest } = modelfile;
  const located = await Promise.all(from.map((source) => locate(source, folder, isPathLike)));
  const lora = await Promise.all(adapters.map((source) => locate(source, folder, () => true)));
  const [named] = located.filter(({ found }) => !found);
  const files = await sent(client, located);
  const adapterFiles = await sent(client, lora);
  return {
    ...rest,
    ...(named && { from: named.source }),
    ...(Object.keys(files).length > 0 && { files }),
    ...(Object.keys(adapterFiles).length > 0 && { adapters: adapterFiles }),
    ...(licenses.length > 0 && { license: licenses }),
  };
}

interface Source {
  readonly source: string;
  readonly file: string;
  /** Undefined: it is the name of a model. */
  readonly found: Stats | undefined;
}

async function locate(
  source: string,
  folder: string,
  mustBeThere: (source: string) => boolean,
): Promise<Source> {
  const file = path.resolve(folder, source.replace(/^~(?=\/|$)/, homedir()));
  const found = await stat(file).catch(() => undefined);
  if (found || !mustBeThere(source)) return { source, file, found };
  throw new AppError("USAGE", `there is no file ${file}, which the Modelfile names`);
}

/** Brings those that are files here to the node, unless it has them. */
async function sent(
  client: ApiClient,
  sources: readonly Source[],
): Promise<Readonly<Record<string, string>>> {
  const files: Record<string, string> = {};
  for (const { file, found } of sources) {
    for (const part of found ? await modelFiles(file, found.isDirectory()) : []) {
      files[path.basename(part)] = await sendFile(client, part);
    }
  }
  return files;
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    throw new AppError("USAGE", `the file cannot be read: ${messageOf(error)}`);
  }
}

async function sendFile(client: ApiClient, file: string): Promise<string> {
  const sizeBytes = await sizeOf(file);
  using stopping = shutdownSignal({ deadlineMs: STOP_MS });
  const name = path.basename(file);
  using reading = new ProgressBar(`reading ${name}`, process.stderr.isTTY);
  const hash = createHash("sha256");
  let readBytes = 0;
  for await (const chunk of createReadStream(file, { signal: stopping })) {
    hash.update(chunk);
    readBytes += chunk.length;
    reading.show(readBytes, sizeBytes);
  }
  reading.clear();
  const digest = `sha256:${hash.digest("hex")}`;
  const blob = `/api/blobs/${digest}`;
  if (await client.has(blob, stopping)) return digest;
  using sending = new ProgressBar(`sending ${name}`, process.stderr.isTTY);
  let sentBytes = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sentBytes += chunk.length;
      sending.show(sentBytes, sizeBytes);
      done(null, chunk);
    },
  });
  await client.upload(blob, createReadStream(file).pipe(counted), stopping);
  return digest;
}
