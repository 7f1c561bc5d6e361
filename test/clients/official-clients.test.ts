import t from "tap";
import { aiSdk } from "./ai-sdk.ts";
import { anthropicClient } from "./anthropic-client.ts";
import { langchain } from "./langchain.ts";
import { clientNodes } from "./official-client.ts";
import { ollamaClient } from "./ollama.ts";
import { openAiClient } from "./openai-client.ts";

// One cluster for all: to start one takes as long as what a client asks of it.
const cluster = await clientNodes();
t.teardown(() => cluster[Symbol.asyncDispose]());
t.test("the AI SDK with ai-sdk-ollama, at the model's node and at another", (t) =>
  aiSdk(t, cluster),
);
t.test("Anthropic's own client, at the model's node and at another", (t) =>
  anthropicClient(t, cluster),
);
t.test("LangChain's client, at the model's node and at another", (t) => langchain(t, cluster));
t.test("Ollama's own client, at the model's node and at another", (t) => ollamaClient(t, cluster));
t.test("OpenAI's own client, at the model's node and at another", (t) => openAiClient(t, cluster));
