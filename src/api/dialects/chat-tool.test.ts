import t from "tap";
import { chatTools as anthropicTools } from "../anthropic/tools.ts";
import { chatTools as openAiTools } from "../openai/responses-tools.ts";

t.test("a tool is the same before and after its way to another node", async (t) => {
  const schema = { type: "object" };
  const rows = [
    anthropicTools([{ name: "f", input_schema: schema }]),
    anthropicTools([{ name: "f", description: "d", input_schema: schema }]),
    openAiTools([{ type: "function", name: "f", parameters: schema }]),
    openAiTools([{ type: "function", name: "f", description: "d", parameters: schema }]),
  ];
  for (const tools of rows) {
    t.match(tools, [{ type: "function", function: { name: "f", parameters: schema } }]);
    t.strictSame(JSON.parse(JSON.stringify(tools)), tools);
  }
});
