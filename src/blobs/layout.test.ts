import path from "node:path";
import fc from "fast-check";
import t from "tap";
import { type BlobDigest, parseBlobDigest } from "../core/digest.ts";
import { formatFullName, parseModelName } from "../core/model-name.ts";
import {
  blobPath,
  isOurPartial,
  layoutOf,
  manifestPath,
  nameOfParts,
  partialName,
} from "./layout.ts";

const layout = layoutOf("/models");

t.test("paths are Ollama's", (t) => {
  const digest = parseBlobDigest("a".repeat(64));
  const name = parseModelName("host:80/ns/m.1:t");
  if (!digest || !name) throw new Error("fixture");
  t.equal(blobPath(layout, digest), `/models/blobs/sha256-${"a".repeat(64)}`);
  t.equal(manifestPath(layout, name), "/models/manifests/host:80/ns/m.1/t");
  t.same(nameOfParts(["host:80", "ns", "m.1", "t"]), name);
  t.end();
});

t.test("nothing leaves the folder", (t) => {
  const digests = ["../../etc/passwd", "sha256-x", "A".repeat(64), `${"a".repeat(64)}/..`, ""];
  for (const text of digests) t.throws(() => blobPath(layout, text as BlobDigest), text);
  const good = { host: "h", namespace: "n", model: "m", tag: "t" };
  for (const bad of ["..", ".", "", "a/b", "../x", "a\\b", "a\u0000", "a b"]) {
    for (const part of ["host", "namespace", "model", "tag"]) {
      const name = { ...good, [part]: bad };
      t.throws(() => manifestPath(layout, name), `${part} ${JSON.stringify(bad)}`);
      t.equal(nameOfParts(Object.values(name)), undefined);
    }
  }
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 12 }), { minLength: 4, maxLength: 4 }), (parts) => {
      const [host = "", namespace = "", model = "", tag = ""] = parts;
      let file: string;
      try {
        file = manifestPath(layout, { host, namespace, model, tag });
      } catch {
        return;
      }
      const relative = path.relative(layout.manifestsDir, file).split(path.sep);
      if (relative.length !== 4 || relative.includes("..")) throw new Error(file);
    }),
  );
  t.end();
});

t.test("places that are no names", (t) => {
  const rows = [[], ["h"], ["h", "n", "m"], ["h", "n", "m", "t", "x"], ["h", "n", "m", "a:b"]];
  for (const parts of rows) t.equal(nameOfParts(parts), undefined, parts.join("/"));
  const name = nameOfParts(["registry.ollama.ai", "library", "M", "latest"]);
  t.equal(name && formatFullName(name), "registry.ollama.ai/library/M:latest");
  t.end();
});

t.test("our partial files, and nobody else's", (t) => {
  t.ok(isOurPartial(partialName("0".repeat(32))));
  t.throws(() => partialName("../x"));
  for (const name of [
    `sha256-${"a".repeat(64)}-partial`,
    `sha256-${"a".repeat(64)}`,
    "x.partial",
  ]) {
    t.notOk(isOurPartial(name), name);
  }
  t.end();
});
