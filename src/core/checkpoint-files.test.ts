import t from "tap";
import { checkpointFiles } from "./checkpoint-files.ts";

t.test("of a folder, what a model is converted from", (t) => {
  const rows: readonly (readonly [names: readonly string[], files: readonly string[]])[] = [
    [[], []],
    [["config.json", "README.md"], []],
    [["x.safetensors"], ["x.safetensors"]],
    [
      ["model.safetensors", "consolidated.safetensors", "params.json", "config.json"],
      ["config.json", "model.safetensors"],
    ],
    [
      ["model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors", "tokenizer.model"],
      ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "tokenizer.model"],
    ],
    [
      ["adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "optimizer.pt"],
      ["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"],
    ],
  ];
  for (const [names, files] of rows) t.same(checkpointFiles(names), files);
  t.end();
});
