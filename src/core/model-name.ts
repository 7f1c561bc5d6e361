/** A model's reference, as Ollama parses it (ollama `types/model/name.go`): [host/][namespace/]model[:tag]. */
export interface ModelName {
  readonly host: string;
  readonly namespace: string;
  readonly model: string;
  readonly tag: string;
}

export const NAME_DEFAULTS = {
  host: "registry.ollama.ai",
  namespace: "library",
  tag: "latest",
} as const;

const HOST_LENGTH_MAX = 350;
const PART_LENGTH_MAX = 80;
const PART_PATTERNS: Record<keyof ModelName, RegExp> = {
  host: /^[A-Za-z0-9_][A-Za-z0-9_.:-]*$/,
  namespace: /^[A-Za-z0-9_][A-Za-z0-9_-]*$/,
  model: /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/,
  tag: /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/,
};

/** Undefined when any part is missing, too long, or holds a character that its place does not allow. */
export function parseModelName(text: string): ModelName | undefined {
  const scheme = text.indexOf("://");
  let rest = scheme < 0 ? text : text.slice(scheme + 3);
  let tag: string = NAME_DEFAULTS.tag;
  const colon = rest.lastIndexOf(":");
  if (colon > rest.lastIndexOf("/")) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
  }
  const parts = rest.split("/");
  if (parts.length > 3) return undefined;
  const [model = "", namespace = NAME_DEFAULTS.namespace, host = NAME_DEFAULTS.host] =
    parts.toReversed();
  const name = { host, namespace, model, tag };
  return isValid(name) ? name : undefined;
}

function isValid(name: ModelName): boolean {
  return (Object.keys(PART_PATTERNS) as (keyof ModelName)[]).every((part) => {
    const lengthMax = part === "host" ? HOST_LENGTH_MAX : PART_LENGTH_MAX;
    return name[part].length <= lengthMax && PART_PATTERNS[part].test(name[part]);
  });
}

/** All four parts: registry.ollama.ai/library/llama3.2:latest. */
export function formatFullName(name: ModelName): string {
  return `${name.host}/${name.namespace}/${name.model}:${name.tag}`;
}

/** As lists show it: without the default host, then without the default namespace; the tag always. */
export function formatShortName(name: ModelName): string {
  const tagged = `${name.model}:${name.tag}`;
  if (name.host !== NAME_DEFAULTS.host) return `${name.host}/${name.namespace}/${tagged}`;
  return name.namespace === NAME_DEFAULTS.namespace ? tagged : `${name.namespace}/${tagged}`;
}

/** Names are compared without regard to case. */
export function sameName(a: ModelName, b: ModelName): boolean {
  return formatFullName(a).toLowerCase() === formatFullName(b).toLowerCase();
}
