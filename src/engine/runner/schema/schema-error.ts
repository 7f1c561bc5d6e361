import { AppError } from "../../../core/errors.ts";

/** No grammar can be written of the schema. */
export class JsonSchemaError extends AppError<"INVALID_SCHEMA"> {}

export function refuse(problem: string): never {
  throw new JsonSchemaError("INVALID_SCHEMA", problem);
}
