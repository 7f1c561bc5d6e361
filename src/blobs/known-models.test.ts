import t from "tap";
import { type ManifestDigest, parseManifestDigest } from "../core/digest.ts";
import type { ModelRecord } from "../core/model.ts";
import { type FoundModel, type KnownModel, updateKnown } from "./known-models.ts";

function digest(letter: string): ManifestDigest {
  const parsed = parseManifestDigest(letter.repeat(64));
  if (!parsed) throw new Error(letter);
  return parsed;
}

function record(letter: string): ModelRecord {
  const details = {
    parentModel: "",
    format: "gguf",
    family: "llama",
    families: [],
    parameterSize: "1B",
    quantizationLevel: "F16",
  };
  const manifest = digest(letter);
  return { name: "n", manifest, sizeBytes: 1, modifiedAtMs: 0, details, capabilities: [] };
}

const whole = (letter: string): FoundModel => ({
  manifest: digest(letter),
  record: record(letter),
});
const broken = (letter: string): FoundModel => ({ manifest: digest(letter) });
const ready = (letter: string): KnownModel => ({ state: "ready", record: record(letter) });
const failed = (letter: string): KnownModel => ({ state: "failed", record: record(letter) });

type Row = readonly [
  what: string,
  before: KnownModel | undefined,
  found: FoundModel | undefined,
  after: KnownModel | undefined,
  told: readonly string[],
];
const ROWS: readonly Row[] = [
  ["nothing", undefined, undefined, undefined, []],
  ["new and whole", undefined, whole("a"), ready("a"), ["ready a"]],
  ["new, not whole yet", undefined, broken("a"), undefined, []],
  ["as it was", ready("a"), whole("a"), ready("a"), []],
  ["replaced", ready("a"), whole("b"), ready("b"), ["ready b"]],
  ["lost a blob", ready("a"), broken("a"), failed("a"), ["failed a"]],
  ["still lacks it", failed("a"), broken("a"), failed("a"), []],
  ["healed", failed("a"), whole("a"), ready("a"), ["ready a"]],
  ["replaced by one that is not whole", ready("a"), broken("b"), undefined, ["removed"]],
  ["removed", ready("a"), undefined, undefined, ["removed"]],
  ["removed after it failed", failed("a"), undefined, undefined, ["removed"]],
];

t.test("what a scan makes known, and what is told of it", (t) => {
  for (const [what, before, found, after, told] of ROWS) {
    const { known, changes } = updateKnown(
      new Map(before ? [["n", before]] : []),
      new Map(found ? [["n", found]] : []),
    );
    t.same(known.get("n"), after, what);
    const texts = changes.map((change) =>
      change.state === "removed" ? "removed" : `${change.state} ${change.record.manifest[0]}`,
    );
    t.same(texts, told, `${what}: told`);
  }
  t.end();
});
