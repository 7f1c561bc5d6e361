import { writeFileSync } from "node:fs";
import t from "tap";
import { tempFolder } from "../../../test/fixtures/temp-folder.ts";
import { isPathLike } from "./model-files.ts";
import { decodeText, readModelfileText } from "./modelfile-text.ts";

t.test("what is a path rather than a model's name", (t) => {
  const paths = [
    ...["./m.gguf", "../m", "/models/m", "~/m", "~", ".", "..", "m.gguf", "M.GGUF"],
    ...["dir/m.safetensors", "a/b/m.gguf", "a.b/c/d/m.gguf"],
  ];
  const names = ["llama3.2", "llama3.2:1b", "a/b:c", "hf.co/org/repo:Q4", "hf.co/org/m.gguf"];
  for (const path of paths) t.equal(isPathLike(path), true, path);
  for (const name of names) t.equal(isPathLike(name), false, name);
  t.end();
});

t.test("a Modelfile's encodings", (t) => {
  const text = "FROM m\nSYSTEM grüße 🦙\n";
  const marked = `\uFEFF${text}`;
  const little = Buffer.from(marked, "utf16le");
  const big = Buffer.from(little).swap16();
  for (const bytes of [Buffer.from(text), Buffer.from(marked), little, big]) {
    t.equal(decodeText(bytes), text, bytes.subarray(0, 3).toString("hex"));
  }
  t.equal(decodeText(Buffer.of()), "");
  t.end();
});

t.test("without --file: ./Modelfile, or else the model in this folder", async (t) => {
  const before = process.cwd();
  t.teardown(() => process.chdir(before));
  process.chdir(tempFolder(t));
  await t.rejects(readModelfileText(undefined), {
    ...{ code: "USAGE", message: /^there is no Modelfile here, .*--file says/ },
  });
  writeFileSync("m.GGUF", "");
  t.equal(await readModelfileText(undefined), "FROM .\n");
  writeFileSync("Modelfile", "FROM m.GGUF");
  t.equal(await readModelfileText(undefined), "FROM m.GGUF");
  await t.rejects(readModelfileText("other"), { code: "USAGE", message: /ENOENT/ });
});
