import type { LoadRequest } from "../../core/inference.ts";

/** What loading needs of a request for more: peers refuse what they do not know. */
export function loadRequestOf({ requestId, model, runner, keepAliveMs }: LoadRequest): LoadRequest {
  return { requestId, model, runner, ...(keepAliveMs === undefined ? {} : { keepAliveMs }) };
}
