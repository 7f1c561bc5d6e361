import type { Sql } from "../connect.ts";
import { likePattern, modelPatterns } from "./filters.ts";

/** A condition: the model's name, or what lists leave of it, is of this pattern. */
export function modelNameIs(sql: Sql, column: "models.name" | "model_name", pattern: string) {
  const [whole, withoutHost, bare] = modelPatterns(pattern);
  const name = sql`lower(${sql(column)} collate "C")`;
  return sql`(${name} like ${whole} or ${name} like ${withoutHost} or ${name} like ${bare})`;
}

export function nodeNameIs(sql: Sql, pattern: string) {
  return sql`lower(name collate "C") like ${likePattern(pattern)}`;
}
