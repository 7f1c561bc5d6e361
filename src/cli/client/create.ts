import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { Transform } from "node:stream";
import { AppError, messageOf } from "../../core/errors.ts";
import { type Modelfile, parseModelfile } from "../../core/modelfile.ts";
import { shutdownSignal } from "../../node/shutdown.ts";
import type { Command } from "../command.ts";
import { ProgressBar } from "../progress-bar.ts";
import { ApiClient } from "./api-client.ts";
import { followStatus } from "./follow-status.ts";
import { modelFiles } from "./model-files.ts";

const STOP_MS = 2_000;

export const createCommand: Command = {
  usage: "MODEL [--file MODELFILE] [--quantize TYPE] [--json]",
  help: [
    "Makes a model of a Modelfile, on the node at OLLAMA_HOST. Its FROM and ADAPTER lines name models, GGUF files here (of a split model any part), or folders of them or of safetensors, which are converted.",
    "",
    "  -f, --file MODELFILE   where it lies (./Modelfile)",
    "  -q, --quantize TYPE    turns the weights, of F32, F16 or BF16, into Q8_0, Q4_K_M, Q4_K_S, F16 or F32",
    "  --json                 the node's own lines, in place of bars",
  ].join("\n"),
  options: {
    file: { type: "string", short: "f" },
    quantize: { type: "string", short: "q" },
    json: { type: "boolean" },
  },
  positionals: ["MODEL"],
  run: async ({ options, positionals: [model = ""] }) => {
    const file = path.resolve(`${options["file"] ?? "Modelfile"}`);
    const { from, adapters, licenses, dropped, ...rest } = await readModelfile(file);
    for (const name of dropped)
      console.error(`PARAMETER ${name} means nothing any more and is left out`);
    const client = ApiClient.of(process.env);
    const folder = path.dirname(file);
    const sources = await sent(client, from, folder);
    const [named] = sources.names;
    const lora = await sent(client, adapters, folder);
    if (lora.names.length > 0) throw new AppError("USAGE", `ADAPTER ${lora.names[0]} is no file`);
    const body = {
      ...{ model, ...rest },
      ...(named !== undefined && { from: named }),
      ...(options["quantize"] !== undefined && { quantize: options["quantize"] }),
      ...(Object.keys(sources.files).length > 0 && { files: sources.files }),
      ...(Object.keys(lora.files).length > 0 && { adapters: lora.files }),
      ...(licenses.length > 0 && { license: licenses }),
    };
    await followStatus(client, "/api/create", body, options["json"] === true);
    return 0;
  },
};

async function readModelfile(file: string): Promise<Modelfile> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new AppError("USAGE", `the Modelfile cannot be read: ${messageOf(error)}`);
  }
  return parseModelfile(text);
}

/** Brings those that are files here to the node, unless it has them; the others are names of models. */
async function sent(client: ApiClient, sources: readonly string[], folder: string) {
  const names: string[] = [];
  const files: Record<string, string> = {};
  for (const source of sources) {
    const file = path.resolve(folder, source.replace(/^~(?=\/|$)/, homedir()));
    const found = await stat(file).catch(() => undefined);
    if (!found) names.push(source);
    for (const part of found ? await modelFiles(file, found.isDirectory()) : []) {
      files[path.basename(part)] = await sendFile(client, part);
    }
  }
  return { names, files };
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
