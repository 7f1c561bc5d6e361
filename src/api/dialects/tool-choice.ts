import type { JsonFormat } from "../../core/inference.ts";
import { HttpError } from "../http/http-error.ts";
import { isRecord } from "../json/decode.ts";
import { movedSchema } from "./moved-schema.ts";

type Tool = Readonly<Record<string, unknown>>;

/** What a client lets the model do with its tools. */
export type ToolChoice =
  | "auto"
  | "none"
  | "required"
  | { readonly name: string }
  | { readonly allowed: readonly string[]; readonly mustCall: boolean };

/** The tools that the model is shown, and whether it must call one of them. */
export interface ChosenTools {
  readonly tools: readonly Tool[];
  readonly mustCall: boolean;
}

export function chooseTools(tools: readonly Tool[], choice: ToolChoice): ChosenTools {
  if (choice === "none") return { tools: [], mustCall: false };
  if (choice === "auto") return { tools, mustCall: false };
  if (typeof choice === "object" && "allowed" in choice) {
    const allowed = tools.filter((tool) => choice.allowed.includes(nameOf(tool)));
    return chooseTools(allowed, choice.mustCall ? "required" : "auto");
  }
  const chosen =
    choice === "required" ? tools : tools.filter((tool) => nameOf(tool) === choice.name);
  if (chosen.length > 0) return { tools: chosen, mustCall: true };
  const message =
    choice === "required"
      ? "tool_choice requires a call, and there are no tools"
      : `tool_choice names ${JSON.stringify(choice.name)}, which is not among the tools`;
  throw new HttpError(400, message, { param: "tool_choice" });
}

/**
 * In OpenAI's words: a name, the function that must be called, or those that may be (both in responses without the inner
 * object). A tool that OpenAI's servers run is none here, and so its choice is no choice.
 */
export function parseToolChoice(choice: unknown): ToolChoice {
  if (choice === undefined || choice === "" || choice === "auto") return "auto";
  if (choice === "none" || choice === "required") return choice;
  // Mistral's word for it.
  if (choice === "any") return "required";
  const { type, ...fields } = isRecord(choice) ? choice : {};
  if (type === "function") {
    const name = nameIn(fields);
    if (name !== "") return { name };
  } else if (type === "allowed_tools") {
    const { mode, tools } = isRecord(fields["allowed_tools"]) ? fields["allowed_tools"] : fields;
    const names = Array.isArray(tools) ? tools.filter(isRecord).map(nameIn) : [];
    return { allowed: names, mustCall: mode === "required" };
  } else if (typeof type === "string") {
    return "auto";
  }
  const known = `"none", "auto", "required" or a function`;
  throw new HttpError(400, `tool_choice must be ${known}`, { param: "tool_choice" });
}

function nameIn(fields: Tool): string {
  const { name } = isRecord(fields["function"]) ? fields["function"] : fields;
  return typeof name === "string" ? name : "";
}

/** The JSON that a call of one of the tools is, for a model that must call one. */
export function callFormat(tools: readonly Tool[]): JsonFormat {
  return {
    oneOf: tools.map(functionOf).map(({ name, parameters }, at) => ({
      type: "object",
      properties: {
        name: { const: name },
        arguments: {
          // What a tool does not tell of, it does not take.
          ...{ type: "object", additionalProperties: false },
          ...(isRecord(parameters) &&
            movedSchema(parameters, `#/oneOf/${at}/properties/arguments`)),
        },
      },
      required: ["name", "arguments"],
    })),
  };
}

function nameOf(tool: Tool): string {
  return nameIn({ function: functionOf(tool) });
}

function functionOf(tool: Tool): Tool {
  const definition = tool["function"];
  return isRecord(definition) ? definition : {};
}
