/** Go templates are not interpreted here; this finds what text/template's lexer would not take. Undefined: nothing. */
export function templateProblem(template: string): string | undefined {
  let depth = 0;
  for (let at = template.indexOf("{{"); at >= 0; at = template.indexOf("{{", at)) {
    const action =
      /^\{\{-?\s*(\/\*[\s\S]*?\*\/|(?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)*'|(?!\}\})[^"`'])*)\s*-?\}\}/.exec(
        template.slice(at),
      );
    if (!action) return `unclosed action in line ${lineOf(template, at)}`;
    const [word = ""] = (action[1] ?? "").trim().split(/[\s-]+/, 1);
    if (BLOCKS.has(word)) depth++;
    if (word === "end" && --depth < 0) return `unexpected {{end}} in line ${lineOf(template, at)}`;
    at += action[0].length;
  }
  return depth > 0 ? "unexpected EOF: an {{end}} is missing" : undefined;
}

const BLOCKS: ReadonlySet<string> = new Set(["if", "range", "with", "define", "block"]);

function lineOf(template: string, at: number): number {
  return template.slice(0, at).split("\n").length;
}
