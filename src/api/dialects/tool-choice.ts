import type { JsonFormat } from "../../core/inference.ts";
import { HttpError } from "../http/http-error.ts";
import { isRecord } from "../json/decode.ts";

type Tool = Readonly<Record<string, unknown>>;

/** What a client lets the model do with its tools. */
export type ToolChoice = "auto" | "none" | "required" | { readonly name: string };

/** The tools that the model is shown, and whether it must call one of them. */
export interface ChosenTools {
  readonly tools: readonly Tool[];
  readonly mustCall: boolean;
}

export function chooseTools(tools: readonly Tool[], choice: ToolChoice): ChosenTools {
  if (choice === "none") return { tools: [], mustCall: false };
  if (choice === "auto") return { tools, mustCall: false };
  const chosen =
    choice === "required"
      ? tools
      : tools.filter((tool) => functionOf(tool)["name"] === choice.name);
  if (chosen.length > 0) return { tools: chosen, mustCall: true };
  const message =
    choice === "required"
      ? "tool_choice requires a call, and there are no tools"
      : `tool_choice names ${JSON.stringify(choice.name)}, which is not among the tools`;
  throw new HttpError(400, message, { param: "tool_choice" });
}

/** In OpenAI's words: a name, or the function that must be called (in responses without the inner object). */
export function parseToolChoice(choice: unknown): ToolChoice {
  if (choice === undefined || choice === "auto") return "auto";
  if (choice === "none" || choice === "required") return choice;
  if (isRecord(choice) && choice["type"] === "function") {
    const { name } = isRecord(choice["function"]) ? choice["function"] : choice;
    if (typeof name === "string") return { name };
  }
  const known = `"none", "auto", "required" or a function`;
  throw new HttpError(400, `tool_choice must be ${known}`, { param: "tool_choice" });
}

/** The JSON that a call of one of the tools is, for a model that must call one. */
export function callFormat(tools: readonly Tool[]): JsonFormat {
  const functions = tools.map(functionOf).map(({ name, parameters }) => {
    const { $defs, ...schema } = isRecord(parameters) ? parameters : {};
    return { name, schema, definitions: isRecord($defs) ? $defs : {} };
  });
  return {
    oneOf: functions.map(({ name, schema }) => ({
      type: "object",
      properties: {
        name: { const: name },
        // What a tool does not tell of, it does not take.
        arguments: { type: "object", additionalProperties: false, ...schema },
      },
      required: ["name", "arguments"],
    })),
    // References are from the root.
    $defs: Object.assign({}, ...functions.map(({ definitions }) => definitions)),
  };
}

function functionOf(tool: Tool): Tool {
  const definition = tool["function"];
  return isRecord(definition) ? definition : {};
}
