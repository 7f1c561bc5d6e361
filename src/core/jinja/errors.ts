import { AppError } from "../errors.ts";

/** TEMPLATE_INVALID: it cannot be parsed. TEMPLATE_FAILED: it cannot render these data, or refuses them (`raise_exception`). */
export class JinjaError extends AppError<"TEMPLATE_INVALID" | "TEMPLATE_FAILED"> {}

export function invalid(line: number, what: string): JinjaError {
  return new JinjaError("TEMPLATE_INVALID", `template, line ${line}: ${what}`);
}

export function failed(what: string): JinjaError {
  return new JinjaError("TEMPLATE_FAILED", what);
}

/** What stands in the template's own words comes as it is. */
export class Refusal extends JinjaError {
  constructor(message: string) {
    super("TEMPLATE_FAILED", message);
  }
}
