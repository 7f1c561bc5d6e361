import type { Sql } from "../connect.ts";
import { likePattern, modelPatterns } from "./filters.ts";

/** A condition: the model's name, or what lists leave of it, is of this pattern. */
export function modelNameIs(sql: Sql, column: "models.name" | "model_name", pattern: string) {
  const name = sql`lower(${sql(column)} collate "C")`;
  const any = modelPatterns(pattern).reduce(
    (condition, like) => sql`${condition} or ${name} like ${like}`,
    sql`false`,
  );
  return sql`(${any})`;
}

export function nodeNameIs(sql: Sql, pattern: string) {
  return sql`lower(name collate "C") like ${likePattern(pattern)}`;
}
