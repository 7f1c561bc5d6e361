import type { Message } from "../../core/inference.ts";
import { HttpError } from "../http/http-error.ts";

/** What a request asks for, as far as engines may lack it. */
export interface Wanted {
  readonly messages: readonly Message[];
  readonly tools: readonly unknown[];
}

/**
 * What no engine here can do yet: refused rather than left out of the answer. A row each; whoever teaches it to the engine,
 * or to `pieces.ts`, takes its row out.
 */
const UNSERVED: readonly {
  readonly param: string;
  readonly message: string;
  readonly isWanted: (wanted: Wanted) => boolean;
}[] = [
  {
    param: "messages",
    message: "images and sound in messages are not supported yet",
    isWanted: ({ messages }) => messages.some(({ images }) => images?.length),
  },
  {
    param: "tools",
    message: "tools are not supported yet: leave out 'tools'",
    isWanted: ({ tools }) => tools.length > 0,
  },
];

export function refuseUnserved(wanted: Wanted): void {
  const row = UNSERVED.find(({ isWanted }) => isWanted(wanted));
  if (row) throw new HttpError(400, row.message, { param: row.param });
}
