import { OPERATIONS, type Operation } from "./operations.ts";
import { type Schema, schemaOf } from "./schema-of.ts";

/** Of a route, as the application's table has it. */
export type RouteRow = readonly [methods: string, path: string, need: string, ...rest: unknown[]];

const ERRORS: Readonly<Record<string, string>> = {
  400: "The request is wrong; `error` says where.",
  401: "A key is needed, and none or a wrong one came.",
  403: "The key's role may not do this.",
  404: "There is no such model.",
  503: "Busy, or shutting down; `Retry-After` says when to ask again.",
};

/** The API as OpenAPI 3.1 has it (https://spec.openapis.org/oas/v3.1.1), made of the routes and of what decodes their bodies. */
export function openApiDocument(routes: readonly RouteRow[], version: string): Schema {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [methods, path, need] of routes) {
    const operation = OPERATIONS[path];
    if (!operation) continue;
    const { shown, parameters } = pathOf(path);
    const all = methods.split(" ");
    // HEAD is GET without a body.
    for (const method of all.filter((name) => name !== "HEAD" || !all.includes("GET"))) {
      const own = { ...operation, ...operation.methods?.[method] };
      paths[shown] ??= {};
      paths[shown][method.toLowerCase()] = operationOf(own, `${method} ${path}`, need, parameters);
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "OllamaMax",
      version,
      description:
        "One node's API: Ollama's, OpenAI's and Anthropic's, served by the whole cluster.",
    },
    paths,
    components: {
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "where OLLAMA_AUTH_MODE is required" },
      },
    },
  };
}

function operationOf(
  operation: Operation,
  id: string,
  need: string,
  pathParameters: readonly Schema[],
): Schema {
  const { group, summary, query = {} } = operation;
  const open = need === "nothing";
  const queryParameters = Object.entries(query).map(([name, description]) => ({
    ...{ name, in: "query", description, schema: { type: "string" } },
  }));
  return {
    operationId: id.replaceAll(/[^a-zA-Z0-9]+/g, "_").replace(/_$/, ""),
    ...{ tags: [group], summary, security: open ? [] : [{ key: [] }] },
    parameters: [...pathParameters, ...queryParameters],
    ...bodyOf(operation),
    responses: Object.fromEntries(
      Object.entries(statusesOf(operation, open)).map(([status, description]) => {
        const content = status.startsWith("2") && !operation.empty && contentOf(operation);
        return [status, { description, ...(content && { content }) }];
      }),
    ),
  };
}

function bodyOf({ body, sends, form, required }: Operation): Schema {
  if (form) return { requestBody: { required: true, content: formContent(form, required) } };
  if (sends) return { requestBody: { required: true, content: { [sends]: {} } } };
  if (!body) return {};
  const schema = { ...schemaOf(body), ...(required && { required }) };
  return { requestBody: { required: true, content: { "application/json": { schema } } } };
}

function formContent(
  form: Readonly<Record<string, string>>,
  required: readonly string[] = [],
): Schema {
  const properties = Object.fromEntries(
    Object.entries(form).map(([name, description]) => {
      const isFile = name === "file";
      return [name, isFile ? { description } : { type: "string", description }];
    }),
  );
  return { "multipart/form-data": { schema: { type: "object", properties, required } } };
}

function contentOf({ answer, stream }: Operation): Schema {
  const kinds = [answer ?? "application/json", ...(stream ? [stream] : [])];
  return Object.fromEntries(kinds.map((kind) => [kind, {}]));
}

function statusesOf(
  { body, form, statuses }: Operation,
  open: boolean,
): Readonly<Record<string, string>> {
  const usual = Object.entries(ERRORS).filter(([status]) =>
    status === "401" || status === "403" ? !open : (body ?? form) !== undefined,
  );
  const refuses = statuses && Object.keys(statuses).every((status) => /^40[13]$/.test(status));
  return { ...(refuses ? {} : { 200: "OK" }), ...Object.fromEntries(usual), ...statuses };
}

/** Hono's ":id{.+}" as OpenAPI's "{id}". */
function pathOf(path: string): { readonly shown: string; readonly parameters: readonly Schema[] } {
  const names: string[] = [];
  const shown = path.replaceAll(/:(\w+)(\{[^}]*\})?/g, (_match, name: string) => {
    names.push(name);
    return `{${name}}`;
  });
  const parameters = names.map((name) => ({
    ...{ name, in: "path", required: true, schema: { type: "string" } },
  }));
  return { shown, parameters };
}
