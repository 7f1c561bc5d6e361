import { AppError } from "../errors.ts";

/** What Go's text/template would say, as far as its words are known: `template: :LINE: …`. */
export class GoTemplateError extends AppError<"TEMPLATE_INVALID" | "TEMPLATE_FAILED"> {}

export function invalid(line: number, what: string): GoTemplateError {
  return new GoTemplateError("TEMPLATE_INVALID", `template: :${line}: ${what}`);
}

export function failed(what: string): GoTemplateError {
  return new GoTemplateError("TEMPLATE_FAILED", `template: :executing "" : ${what}`);
}
