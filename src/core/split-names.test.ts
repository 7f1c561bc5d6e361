import t from "tap";
import { splitNames } from "./split-names.ts";

t.test("a part's name gives the names of all", async (t) => {
  const two = ["a-b-00001-of-00002.gguf", "a-b-00002-of-00002.gguf"];
  for (const name of two) t.same(splitNames(name), two);
  t.same(splitNames("-00001-of-00001.gguf"), ["-00001-of-00001.gguf"]);
  const none = [
    "model.gguf",
    "a-00001-of-00002.bin",
    "a-1-of-2.gguf",
    "a-00000-of-00002.gguf",
    "a-00003-of-00002.gguf",
    "a-00001-of-99999.gguf",
    "a-00001-of-00002.gguf.part",
  ];
  for (const name of none) t.equal(splitNames(name), undefined, name);
});
