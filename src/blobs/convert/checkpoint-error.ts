import { ManagementError } from "../../core/management.ts";

/** Of files that are no model that can be converted; the sentence names the file. */
export function badCheckpoint(message: string): ManagementError {
  return new ManagementError("MALFORMED", message);
}

/** Of a model that may be whole, and that we cannot make a GGUF file of. */
export function notConvertible(what: string): ManagementError {
  return new ManagementError(
    "NOT_POSSIBLE",
    `${what} cannot be converted here: make a GGUF file of it with llama.cpp's convert_hf_to_gguf.py`,
  );
}
