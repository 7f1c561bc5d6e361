/** Where Node keeps compiled code: a runner loads a fifth sooner with it. */
const KEPT = "NODE_COMPILE_CACHE";

/** Our child processes parse untrusted files: they get none of our settings, which hold secrets, nor a debugger's or a test's. */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => name === KEPT || !/^(OLLAMA_|NODE_|TAP)/.test(name),
  );
  return Object.fromEntries(kept);
}
