/** What `/?` says, by its topic. */
export type HelpTopic = "commands" | "set" | "show" | "parameters" | "shortcuts";

type Row = readonly [what: string, means: string];

const COMMANDS: readonly Row[] = [
  ["/set", "Set session variables"],
  ["/show", "Show model information"],
  ["/load MODEL", "Talk to another model"],
  ["/save MODEL", "Keep the session as a model"],
  ["/clear", "Forget the conversation"],
  ["/bye, /exit", "Leave"],
  ["/?, /help", "This; /? set, /? show"],
  ["/? shortcuts", "Help for keyboard shortcuts"],
];

const SET: readonly Row[] = [
  ["/set system TEXT", "What the model is told before"],
  ["/set parameter NAME VALUE", "A parameter, such as temperature"],
  ["/set format json", "Answers in JSON"],
  ["/set noformat", "Answers in any form"],
  ["/set think [LEVEL]", "Let it think first (low, medium, high, max)"],
  ["/set nothink", "Answer at once"],
  ["/set verbose", "Times and token counts after each answer"],
  ["/set quiet", "No times and token counts"],
];

const SHOW: readonly Row[] = [
  ["/show info", "Details of this model"],
  ["/show license", "Its license"],
  ["/show modelfile", "Its Modelfile"],
  ["/show parameters", "Its parameters, and those set here"],
  ["/show system", "The system message"],
  ["/show template", "The prompt's template"],
];

const PARAMETERS: readonly Row[] = [
  ["/set parameter seed NUMBER", "Random number seed"],
  ["/set parameter num_predict NUMBER", "Most tokens of an answer"],
  ["/set parameter top_k NUMBER", "Pick from the top k tokens"],
  ["/set parameter top_p NUMBER", "Pick by the sum of probabilities"],
  ["/set parameter min_p NUMBER", "Pick by the top token's probability * min_p"],
  ["/set parameter num_ctx NUMBER", "Context size"],
  ["/set parameter temperature NUMBER", "Creativity"],
  ["/set parameter repeat_penalty NUMBER", "How strongly repetitions are punished"],
  ["/set parameter repeat_last_n NUMBER", "How far back repetitions are looked for"],
  ["/set parameter num_gpu NUMBER", "Layers that go to the GPU"],
  ["/set parameter stop TEXT TEXT ...", "Texts that end an answer"],
];

const SHORTCUTS: readonly Row[] = [
  ["Ctrl + a", "To the beginning of the line"],
  ["Ctrl + e", "To the end of the line"],
  ["Alt + b", "Back one word"],
  ["Alt + f", "Forward one word"],
  ["Ctrl + k", "Delete what is after the cursor"],
  ["Ctrl + u", "Delete what is before the cursor"],
  ["Ctrl + w", "Delete the word before the cursor"],
  ["Ctrl + l", "Clear the screen"],
  ["Ctrl + c", "Stop the answer; drop the line"],
  ["Ctrl + d", "Leave (/bye)"],
];

const TOPICS: Readonly<Record<HelpTopic, readonly [heading: string, rows: readonly Row[]]>> = {
  commands: ["Available Commands:", COMMANDS],
  set: ["Available Commands:", SET],
  show: ["Available Commands:", SHOW],
  parameters: ["Available Parameters:", PARAMETERS],
  shortcuts: ["Available keyboard shortcuts:", SHORTCUTS],
};

export function commandHelp(topic: HelpTopic): string {
  const [heading, rows] = TOPICS[topic];
  const width = Math.max(...rows.map(([what]) => what.length)) + 2;
  const lines = [heading, ...rows.map(([what, means]) => `  ${what.padEnd(width)}${means}`), ""];
  if (topic === "commands") lines.push('Use """ to begin a multi-line message.', "");
  return lines.join("\n");
}
