import t from "tap";
import {
  REFUSED,
  realTemplates,
  referenceDigest,
  templateReferences,
} from "../../test/fixtures/real-templates.ts";
import { goCases, jinjaCases, type TemplateCase } from "../../test/fixtures/template-cases.ts";
import { GoTemplate } from "./go-template/template.ts";
import { toolStruct } from "./go-template/tool-struct.ts";
import type { GoValue } from "./go-template/values.ts";
import { Template } from "./jinja/template.ts";

const NOW_MS = Date.UTC(2026, 10, 30, 12);

function renderedGo({ template, data }: TemplateCase): string {
  const { Tools: tools = [] } = data as { readonly Tools?: readonly GoValue[] };
  const given = { ...data, Tools: tools.map(toolStruct) } as GoValue;
  return GoTemplate.parse(template).render(given, { nowMs: NOW_MS });
}

function renderedJinja({ template, data }: TemplateCase): string {
  return new Template(template).render({ ...data, today: () => "30 Nov 2026" });
}

t.test("real models' templates are rendered as Go and Python do", async (t) => {
  const references = templateReferences();
  const templates = await realTemplates();
  t.same(
    templates.map(({ model }) => model),
    references.map(([model]) => model),
    "made anew by scripts/template-references, when the package has changed",
  );
  for (const [at, { model, gguf, ollama }] of templates.entries()) {
    const [, ...digests] = references[at] ?? [];
    const renders = [
      ...goCases(ollama.template).map((one) => () => renderedGo(one)),
      ...jinjaCases(gguf).map((one) => () => renderedJinja(one)),
    ];
    t.equal(digests.length, renders.length, model);
    for (const [index, render] of renders.entries()) {
      // What they refuse is a matter of each one's own.
      if (digests[index] === REFUSED) continue;
      t.equal(referenceDigest(render()), digests[index], `${model}, case ${index}`);
    }
  }
});
