import { chatTool } from "../dialects/chat-tool.ts";
import type { ToolChoice } from "../dialects/tool-choice.ts";
import { HttpError } from "../http/http-error.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Tools as models' templates know them. Those that Anthropic's own servers run, or that only its models know (bash, memory),
 * have a type of their own: the model is not told of them.
 */
export function chatTools(tools: readonly Fields[]): readonly Fields[] {
  return tools.flatMap(({ type, name, description, input_schema: parameters = {} }) => {
    if ((type ?? "custom") !== "custom") return [];
    if (typeof name !== "string" || name === "")
      throw new HttpError(400, "a tool must have a name");
    return [chatTool(name, description, parameters)];
  });
}

export function parseToolChoice(choice: Fields | undefined): ToolChoice {
  if (choice === undefined) return "auto";
  const { type, name } = choice;
  if (type === "auto" || type === "none") return type;
  if (type === "any") return "required";
  if (type === "tool" && typeof name === "string") return { name };
  throw new HttpError(400, `tool_choice must be of type "auto", "any", "tool" or "none"`);
}
