import type { Message } from "../../core/inference.ts";
import { HttpError } from "../http/http-error.ts";

/** What a request asks for, as far as engines may lack it. */
export interface Wanted {
  readonly messages: readonly Message[];
}

/**
 * What no engine here can do yet: refused rather than left out of the answer. A row each; whoever teaches it to an engine
 * takes its row out.
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
];

export function refuseUnserved(wanted: Wanted): void {
  const row = UNSERVED.find(({ isWanted }) => isWanted(wanted));
  if (row) throw new HttpError(400, row.message, { param: row.param });
}
