import { AppError } from "../core/errors.ts";
import { loadConfig } from "../node/config/config.ts";
import { importModel } from "../node/import-model.ts";
import { shutdownSignal } from "../node/shutdown.ts";
import type { Command } from "./command.ts";
import { ProgressBar } from "./progress-bar.ts";

/** Time for removing the half-written file after Ctrl-C. */
const STOP_MS = 5_000;

export const importCommand: Command = {
  usage: "FILE NAME [--node N] [--json]",
  help: [
    "Copies the GGUF file (of a split model: all its parts, made one; of a folder of safetensors: what they are converted to) into this node's models (OLLAMA_MODELS) under NAME, such as llama3.2:1b.",
    "A running node notices it by itself and tells the others.",
    "",
    "  --node N    into node N of `ollamamax up`, in place of OLLAMA_MODELS",
    "  --json      one JSON object at the end, no progress bar",
  ].join("\n"),
  options: { node: { type: "string" }, json: { type: "boolean" } },
  positionals: ["FILE", "NAME"],
  run: async ({ options, positionals: [file = "", name = ""] }) => {
    const { config } = loadConfig(process.env);
    const node = options["node"] === undefined ? undefined : Number(options["node"]);
    if (node !== undefined && (!Number.isInteger(node) || node < 1)) {
      throw new AppError("USAGE", "--node takes the number of a node of `ollamamax up`, from 1");
    }
    using stopping = shutdownSignal({ deadlineMs: STOP_MS });
    using progress = new ProgressBar(file, process.stderr.isTTY && !options["json"]);
    const imported = await importModel(
      config,
      { file, name, node },
      {
        signal: stopping,
        onProgress: (doneBytes, totalBytes) => progress.show(doneBytes, totalBytes),
      },
    );
    progress.clear();
    if (options["json"]) console.log(JSON.stringify(imported));
    else
      console.log(
        `imported ${imported.name} (${imported.manifest.slice(0, 12)}) into ${imported.folder}`,
      );
    return 0;
  },
};
