import packageFile from "../../package.json" with { type: "json" };

/** Of this daemon, from package.json. */
export const { version: VERSION } = packageFile;

/** The Ollama whose API this is: what clients get from /api/version. */
export const OLLAMA_VERSION = "0.33.0";
