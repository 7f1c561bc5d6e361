/** A type that Go decodes JSON into, as strictly as it does: a value of another type is an error there. */
export type GoType =
  | "string"
  | "bool"
  | "int"
  | "float"
  | "time"
  | "any"
  | { readonly list: GoType }
  | { readonly map: GoType }
  | { readonly fields: Readonly<Record<string, GoType>> };

export function unmarshal(text: string, type: GoType): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  check(value, type, "$");
  return value as Record<string, unknown>;
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

const CHECKS = {
  string: (value: unknown) => typeof value === "string",
  bool: (value: unknown) => typeof value === "boolean",
  int: (value: unknown) => Number.isSafeInteger(value),
  float: (value: unknown) => typeof value === "number",
  time: (value: unknown) => typeof value === "string" && RFC_3339.test(value),
  any: () => true,
} as const;

function check(value: unknown, type: GoType, path: string): void {
  const wrong = () => new Error(`json: cannot unmarshal ${JSON.stringify(value)} at ${path}`);
  if (value === null) return;
  if (typeof type === "string") {
    if (!CHECKS[type](value)) throw wrong();
  } else if ("list" in type) {
    if (!Array.isArray(value)) throw wrong();
    for (const [at, item] of value.entries()) check(item, type.list, `${path}[${at}]`);
  } else {
    if (typeof value !== "object" || Array.isArray(value)) throw wrong();
    for (const [key, item] of Object.entries(value)) {
      const field = "map" in type ? type.map : type.fields[key];
      if (field) check(item, field, `${path}.${key}`);
    }
  }
}

const STRINGS: GoType = { list: "string" };
const TOOL_CALLS: GoType = {
  list: {
    fields: {
      id: "string",
      function: { fields: { index: "int", name: "string", arguments: { map: "any" } } },
    },
  },
};
const MESSAGE: GoType = {
  fields: { role: "string", content: "string", thinking: "string", tool_calls: TOOL_CALLS },
};
const METRICS: Readonly<Record<string, GoType>> = {
  total_duration: "int",
  load_duration: "int",
  prompt_eval_count: "int",
  prompt_eval_duration: "int",
  eval_count: "int",
  eval_duration: "int",
};
const DETAILS: GoType = {
  fields: {
    parent_model: "string",
    format: "string",
    family: "string",
    families: STRINGS,
    parameter_size: "string",
    quantization_level: "string",
    context_length: "int",
    embedding_length: "int",
  },
};

/** The answers' types in Ollama's api/types.go, at 0.33. */
export const GENERATE_RESPONSE: GoType = {
  fields: {
    model: "string",
    created_at: "time",
    response: "string",
    thinking: "string",
    done: "bool",
    done_reason: "string",
    context: { list: "int" },
    tool_calls: TOOL_CALLS,
    ...METRICS,
  },
};
export const CHAT_RESPONSE: GoType = {
  fields: {
    model: "string",
    created_at: "time",
    message: MESSAGE,
    done: "bool",
    done_reason: "string",
    ...METRICS,
  },
};
export const PROGRESS_RESPONSE: GoType = {
  fields: { status: "string", digest: "string", total: "int", completed: "int" },
};
export const SHOW_RESPONSE: GoType = {
  fields: {
    license: "string",
    modelfile: "string",
    parameters: "string",
    template: "string",
    system: "string",
    renderer: "string",
    parser: "string",
    details: DETAILS,
    messages: { list: MESSAGE },
    remote_model: "string",
    remote_host: "string",
    model_info: { map: "any" },
    projector_info: { map: "any" },
    tensors: { list: { fields: { name: "string", type: "string", shape: { list: "int" } } } },
    capabilities: STRINGS,
    modified_at: "time",
    requires: "string",
  },
};
export const LIST_RESPONSE: GoType = {
  fields: {
    models: {
      list: {
        fields: {
          name: "string",
          model: "string",
          modified_at: "time",
          size: "int",
          digest: "string",
          details: DETAILS,
          capabilities: STRINGS,
        },
      },
    },
  },
};
export const PROCESS_RESPONSE: GoType = {
  fields: {
    models: {
      list: {
        fields: {
          name: "string",
          model: "string",
          size: "int",
          digest: "string",
          details: DETAILS,
          expires_at: "time",
          size_vram: "int",
          context_length: "int",
        },
      },
    },
  },
};
export const EMBED_RESPONSE: GoType = {
  fields: {
    model: "string",
    embeddings: { list: { list: "float" } },
    total_duration: "int",
    load_duration: "int",
    prompt_eval_count: "int",
  },
};
