import { mismatch, type Shape } from "./decode.ts";

/** Any number that is one: JSON can tell more than 64 bits hold. */
export const NUMBER: Shape = {
  type: "float64",
  custom: (value, path) => {
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw mismatch(value, path, "float64");
  },
};
