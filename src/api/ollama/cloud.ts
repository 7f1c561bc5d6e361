import { HttpError } from "../http/http-error.ts";
import { jsonReply } from "../http/reply.ts";

const DISABLED = "ollama cloud is disabled: ";
/** Models that run at ollama.com have this tag, or one that ends with it. */
const CLOUD = /:(?:[^/]*[-:])?cloud$/i;

/** What stock clients ask of Ollama's cloud, as it answers where that is switched off and nobody is signed in. */
export const whoami = (): never => refuse(401, "unauthorized");
export const signout = (): never => refuse(401, "you are not currently signed in");
export const webSearch = (): never => refuse(403, `${DISABLED}web search is unavailable`);
export const webFetch = (): never => refuse(403, `${DISABLED}web fetch is unavailable`);
export const recommendations = (): Response => jsonReply({ recommendations: [] });

/** For a model that nobody here has: one of the cloud's is not missing, but not to be had. */
export function refuseCloudModel(name: string, what: string): void {
  if (CLOUD.test(name)) refuse(403, `${DISABLED}${what}`);
}

function refuse(status: number, message: string): never {
  throw new HttpError(status, message);
}
