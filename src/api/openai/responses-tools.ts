import { chatTool } from "../dialects/chat-tool.ts";
import { HttpError } from "../http/http-error.ts";
import { isRecord } from "../json/decode.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Tools as chat completions have them: their fields under `function`. Those of a namespace carry its name. The others are run
 * by OpenAI's servers, or known to OpenAI's models alone: the model is not told of them.
 */
export function chatTools(tools: readonly unknown[], namespace = ""): readonly Fields[] {
  return tools.flatMap((tool) => {
    if (!isRecord(tool)) throw refusal("a tool must be an object");
    const { type, name, tools: members } = tool;
    if (typeof type !== "string") throw refusal("a tool must have a type");
    if (type !== "function" && type !== "namespace") return [];
    if (typeof name !== "string" || name === "") throw refusal(`a ${type} must have a name`);
    if (type === "namespace") {
      if (namespace !== "") throw refusal("a namespace may not hold another one");
      return chatTools(Array.isArray(members) ? members : [], name);
    }
    const { description, parameters } = tool;
    const known = namespace === "" ? name : memberName(namespace, name);
    return [chatTool(known, description, parameters ?? {})];
  });
}

/** What the model calls a member of a namespace. */
export function memberName(namespace: string, name: string): string {
  return `${namespace}.${name}`;
}

/** The names of a tool that the model has called: its client tells a member of a namespace by two. */
export function clientNames(
  name: string,
  tools: readonly unknown[],
): { readonly name: string; readonly namespace?: string } {
  for (const tool of tools.filter(isRecord)) {
    const { name: namespace, tools: members } = tool;
    if (typeof namespace !== "string" || !Array.isArray(members)) continue;
    for (const member of members.filter(isRecord)) {
      if (memberName(namespace, `${member["name"]}`) !== name) continue;
      return { name: `${member["name"]}`, namespace };
    }
  }
  return { name };
}

function refusal(message: string): HttpError {
  return new HttpError(400, message, { param: "tools" });
}
