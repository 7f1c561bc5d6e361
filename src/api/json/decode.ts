import { JsonError } from "./scan.ts";

/**
 * Decodes as Go's encoding/json does into a struct: field names match in any case, unknown fields are ignored, null leaves
 * a field unset, and a value of another type is an error with Go's words.
 *
 * A shape is data: what a request may hold, with Go's names for the types, since clients see them in errors.
 */
export type Shape =
  | "string"
  | "bool"
  | "int"
  | "any"
  /** `type` is the list's own name in Go, where it has one. */
  | { readonly list: Shape; readonly type?: string }
  | { readonly name: string; readonly fields: Readonly<Record<string, Shape>> }
  | CustomShape;

interface CustomShape {
  /** Go's name of it. */
  readonly type: string;
  /** Reads the value itself; throws a JsonError. `path` is as Go's errors name the field. */
  readonly custom: (value: unknown, path: string) => unknown;
  /** What null is in a list of it. */
  readonly zero?: unknown;
}

export interface Decoded {
  readonly [field: string]: unknown;
}

/** `name` is Go's name of the struct, which its errors tell. */
export function decodeStruct(
  value: unknown,
  shape: { readonly name: string; readonly fields: Readonly<Record<string, Shape>> },
): Decoded {
  if (value === null) return {};
  if (!isRecord(value)) {
    throw new JsonError(
      `json: cannot unmarshal ${kindOf(value)} into Go value of type ${goStruct(shape.name)}`,
    );
  }
  return decodeFields(value, shape, shape.name.replace(/^.*\./, ""), "");
}

function decodeFields(
  value: Readonly<Record<string, unknown>>,
  { fields }: { readonly fields: Readonly<Record<string, Shape>> },
  root: string,
  path: string,
): Decoded {
  const byLowerCase = new Map(Object.keys(fields).map((field) => [field.toLowerCase(), field]));
  const decoded: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(value)) {
    const field = byLowerCase.get(key.toLowerCase());
    const shape = field === undefined ? undefined : fields[field];
    if (field === undefined || shape === undefined || given === null) continue;
    decoded[field] = decodeValue(given, shape, root, path === "" ? field : `${path}.${field}`);
  }
  return decoded;
}

function decodeValue(value: unknown, shape: Shape, root: string, path: string): unknown {
  if (shape === "any") return value;
  if (shape === "string") return typeof value === "string" ? value : fail(value, root, path, shape);
  if (shape === "bool") return typeof value === "boolean" ? value : fail(value, root, path, shape);
  if (shape === "int") return decodeInt(value, root, path);
  if ("custom" in shape) return shape.custom(value, `${root}.${path}`);
  if ("list" in shape) {
    if (!Array.isArray(value)) return fail(value, root, path, goName(shape));
    return value.map((item) =>
      item === null ? emptyOf(shape.list) : decodeValue(item, shape.list, root, path),
    );
  }
  return isRecord(value)
    ? decodeFields(value, shape, root, path)
    : fail(value, root, path, goStruct(shape.name));
}

function decodeInt(value: unknown, root: string, path: string): unknown {
  if (typeof value !== "number") return fail(value, root, path, "int");
  if (Number.isSafeInteger(value)) return value;
  throw new JsonError(
    `json: cannot unmarshal number ${value} into Go struct field ${root}.${path} of type int`,
  );
}

function fail(value: unknown, root: string, path: string, type: string): never {
  throw mismatch(value, `${root}.${path}`, type);
}

/** Go's zero value of a list's element. */
function emptyOf(shape: Shape): unknown {
  if (shape === "string") return "";
  if (shape === "int") return 0;
  if (shape === "bool") return false;
  if (shape === "any" || "list" in shape) return null;
  return "fields" in shape ? {} : (shape.zero ?? null);
}

function goName(shape: Shape): string {
  if (typeof shape === "string") return shape === "any" ? "interface {}" : shape;
  if ("list" in shape) return shape.type ?? `[]${goName(shape.list)}`;
  return "type" in shape ? shape.type : goStruct(shape.name);
}

/** Structs are of Go's package `api` unless their name tells another. */
function goStruct(name: string): string {
  return name.includes(".") ? name : `api.${name}`;
}

/** The error of a value whose type is not the field's. */
export function mismatch(value: unknown, path: string, type: string): JsonError {
  return new JsonError(
    `json: cannot unmarshal ${kindOf(value)} into Go struct field ${path} of type ${type}`,
  );
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return value === null ? "null" : typeof value;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
