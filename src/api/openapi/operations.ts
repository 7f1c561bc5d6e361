import { MESSAGES_SHAPE } from "../anthropic/messages-request.ts";
import { DRAIN_SHAPE } from "../cluster/drain.ts";
import { WANTED_SHAPE } from "../cluster/wanted.ts";
import type { Shape } from "../json/decode.ts";
import { CHAT_SHAPE } from "../ollama/chat.ts";
import { COPY_SHAPE } from "../ollama/copy.ts";
import { CREATE_SHAPE } from "../ollama/create.ts";
import { DELETE_SHAPE } from "../ollama/delete.ts";
import { EMBED_SHAPE, EMBEDDINGS_SHAPE } from "../ollama/embed.ts";
import { GENERATE_SHAPE } from "../ollama/generate.ts";
import { PULL_SHAPE, PUSH_SHAPE } from "../ollama/pull.ts";
import { SHOW_SHAPE } from "../ollama/show.ts";
import { DETOKENIZE_SHAPE, TOKENIZE_SHAPE } from "../ollama/tokens.ts";
import { CHAT_SHAPE as OPENAI_CHAT_SHAPE } from "../openai/chat-request.ts";
import { COMPLETION_SHAPE } from "../openai/completion-request.ts";
import { EMBEDDINGS_SHAPE as OPENAI_EMBEDDINGS_SHAPE } from "../openai/embeddings.ts";
import { RESPONSES_SHAPE } from "../openai/responses-request.ts";

export interface Operation {
  readonly group:
    | "Ollama"
    | "OpenAI"
    | "Anthropic"
    | "Registry"
    | "Cluster"
    | "Health"
    | "Documentation";
  readonly summary: string;
  /** What the request's JSON is decoded by. */
  readonly body?: Shape;
  /** Of a body that is no JSON. */
  readonly sends?: string;
  /** Field → what it is, of a body that is a form. */
  readonly form?: Readonly<Record<string, string>>;
  /** How a streamed answer is framed. */
  readonly stream?: "application/x-ndjson" | "text/event-stream";
  /** Of an answer that is no JSON. */
  readonly answer?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Fields without which the body is refused. */
  readonly required?: readonly string[];
  /** An answer without a body. */
  readonly empty?: true;
  /** Status → what it means, where it is not as for most; none of the 200s: it always refuses. */
  readonly statuses?: Readonly<Record<number, string>>;
  /** What a method of the route does otherwise. */
  readonly methods?: Readonly<Record<string, Partial<Operation>>>;
}

const LOCAL = { local: "true: this node alone, not the cluster" };
const PAGE = { limit: "items on a page, up to 200", cursor: "the page before's `next`" };
const NOBODY = { 401: "Nobody is signed in at ollama.com." };
const NO_CLOUD = { 403: "Ollama's cloud is off here." };
const NDJSON = "application/x-ndjson";
const EVENTS = "text/event-stream";

/** What is said of each route, by its path in the table of routes. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  "/": { group: "Ollama", summary: "Says that a server runs", answer: "text/plain" },
  "/api/version": { group: "Ollama", summary: "The version of Ollama whose API this is" },
  "/api/status": { group: "Ollama", summary: "Whether Ollama's cloud may be used: it may not" },
  "/api/me": {
    ...{ group: "Ollama", summary: "The account at ollama.com: there is none" },
    statuses: NOBODY,
  },
  "/api/signout": {
    ...{ group: "Ollama", summary: "Signs out of ollama.com: nobody is signed in" },
    statuses: NOBODY,
  },
  "/api/user/keys/:key": {
    ...{ group: "Ollama", summary: "The older form of signing out", statuses: NOBODY },
  },
  "/api/experimental/web_search": {
    ...{ group: "Ollama", summary: "Of Ollama's cloud: refused", statuses: NO_CLOUD },
  },
  "/api/experimental/web_fetch": {
    ...{ group: "Ollama", summary: "Of Ollama's cloud: refused", statuses: NO_CLOUD },
  },
  "/api/experimental/model-recommendations": {
    ...{ group: "Ollama", summary: "Models that Ollama recommends: none" },
  },
  "/api/tags": { group: "Ollama", summary: "The models that the cluster can serve", query: LOCAL },
  "/api/ps": { group: "Ollama", summary: "The models that are loaded", query: LOCAL },
  "/api/show": { group: "Ollama", summary: "What is known of a model", body: SHOW_SHAPE },
  "/api/generate": {
    ...{
      group: "Ollama",
      summary: "Goes on from a prompt",
      body: GENERATE_SHAPE,
      required: ["model"],
      stream: NDJSON,
    },
  },
  "/api/chat": {
    ...{
      group: "Ollama",
      summary: "Answers a conversation",
      body: CHAT_SHAPE,
      required: ["model"],
      stream: NDJSON,
    },
  },
  "/api/embed": {
    group: "Ollama",
    summary: "Vectors of texts",
    body: EMBED_SHAPE,
    required: ["model"],
  },
  "/api/embeddings": {
    ...{
      group: "Ollama",
      summary: "The vector of one text; the older form",
      body: EMBEDDINGS_SHAPE,
      required: ["model"],
    },
  },
  "/api/pull": {
    ...{ group: "Ollama", summary: "Gets a model from a registry", body: PULL_SHAPE },
    ...{ stream: NDJSON, query: LOCAL },
  },
  "/api/push": {
    ...{ group: "Ollama", summary: "Gives a model to a registry", body: PUSH_SHAPE },
    ...{ stream: NDJSON, query: LOCAL },
  },
  "/api/create": {
    ...{ group: "Ollama", summary: "Makes a model", body: CREATE_SHAPE, stream: NDJSON },
    query: LOCAL,
  },
  "/api/copy": {
    ...{ group: "Ollama", summary: "Gives a model a second name", body: COPY_SHAPE, query: LOCAL },
    ...{ empty: true, required: ["source", "destination"] },
  },
  "/api/delete": {
    ...{ group: "Ollama", summary: "Deletes a model", body: DELETE_SHAPE, query: LOCAL },
    empty: true,
  },
  "/api/blobs/:digest{.+}": {
    ...{ group: "Ollama", summary: "Whether a blob is here", empty: true },
    statuses: { 200: "It is here.", 400: "It is no digest.", 404: "It is not here." },
    methods: {
      POST: {
        ...{ summary: "Takes a blob", sends: "application/octet-stream" },
        statuses: {
          ...{ 200: "It was here already.", 201: "It has been taken." },
          400: "It is no digest, or that of other bytes.",
          507: "There is no room for it.",
        },
      },
    },
  },
  "/api/tokenize": {
    group: "Ollama",
    summary: "A text's tokens",
    body: TOKENIZE_SHAPE,
    required: ["model"],
  },
  "/api/detokenize": {
    group: "Ollama",
    summary: "The text of tokens",
    body: DETOKENIZE_SHAPE,
    required: ["model"],
  },
  "/v1/chat/completions": {
    ...{
      group: "OpenAI",
      summary: "Answers a conversation",
      body: OPENAI_CHAT_SHAPE,
      required: ["model", "messages"],
      stream: EVENTS,
    },
  },
  "/v1/completions": {
    ...{
      group: "OpenAI",
      summary: "Goes on from a prompt",
      body: COMPLETION_SHAPE,
      required: ["model"],
      stream: EVENTS,
    },
  },
  "/v1/embeddings": {
    group: "OpenAI",
    summary: "Vectors of texts",
    body: OPENAI_EMBEDDINGS_SHAPE,
    required: ["model", "input"],
  },
  "/v1/responses": {
    ...{
      group: "OpenAI",
      summary: "Answers, without keeping state",
      body: RESPONSES_SHAPE,
      required: ["model", "input"],
    },
    stream: EVENTS,
  },
  "/v1/audio/transcriptions": {
    ...{
      group: "OpenAI",
      summary: "Writes down what is said in a recording",
      form: {
        file: "the recording: WAV, MP3 or FLAC, at most 25 MiB and 15 minutes",
        model: "one that hears",
        response_format: "json or text",
        language: "the language that is spoken",
        prompt: "what is known of the recording, such as names",
        temperature: "0 unless it is set",
        stream: "true: events, as the text comes",
      },
      required: ["file", "model"],
      stream: EVENTS,
    },
  },
  "/v1/models": { group: "OpenAI", summary: "The models that the cluster can serve" },
  "/v1/models/:id{.+}": {
    ...{ group: "OpenAI", summary: "One of them", statuses: { 404: "There is no such model." } },
  },
  "/v2/": { group: "Registry", summary: "Says that this is a registry to pull from" },
  "/v2/:rest{.+}": {
    ...{ group: "Registry", summary: "Manifests, blobs and tags, as OCI's specification has them" },
    answer: "application/octet-stream",
  },
  "/v1/messages": {
    ...{
      group: "Anthropic",
      summary: "Answers a conversation",
      body: MESSAGES_SHAPE,
      required: ["model", "messages", "max_tokens"],
      stream: EVENTS,
    },
  },
  "/v1/messages/count_tokens": {
    ...{
      group: "Anthropic",
      summary: "How many tokens a conversation takes",
      body: MESSAGES_SHAPE,
      required: ["model", "messages"],
    },
  },
  "/api/cluster/nodes": { group: "Cluster", summary: "The nodes, as this one sees them now" },
  "/api/cluster/nodes/:id/drain": {
    ...{ group: "Cluster", summary: "How far the emptying of a node is" },
    statuses: { 404: "There is no such node." },
    methods: {
      POST: { summary: "Empties a node, so that it can be taken away", body: DRAIN_SHAPE },
      DELETE: { summary: "Takes the node back into use" },
    },
  },
  "/api/cluster/replicas": {
    group: "Cluster",
    summary: "Who holds which model, as this node knows it",
  },
  "/api/cluster/transfers": {
    ...{ group: "Cluster", summary: "Models that are being copied now", query: LOCAL },
  },
  "/api/cluster/wanted": {
    ...{ group: "Cluster", summary: "Sets how many nodes shall have a model" },
    body: WANTED_SHAPE,
  },
  "/api/cluster/models": {
    ...{ group: "Cluster", summary: "The registry's models" },
    query: {
      ...{ search: "words in names and descriptions", name: "a name, with * for any part" },
      ...{ tag: "as often as wanted", status: "active, deprecated or deleted", ...PAGE },
    },
  },
  "/api/cluster/requests": {
    ...{ group: "Cluster", summary: "What became of requests" },
    query: {
      ...{ model: "a name", node: "a peer id", request_id: "one request" },
      ...{ status: "completed or failed", strategy: "single, failover or data", ...PAGE },
    },
  },
  "/api/cluster/audit": {
    ...{ group: "Cluster", summary: "Who changed what" },
    query: { table: "a table's name", operation: "INSERT, UPDATE or DELETE", ...PAGE },
  },
  "/api/cluster/registry/nodes": {
    ...{ group: "Cluster", summary: "Every node that was ever recorded", query: PAGE },
  },
  "/api/cluster/registry/replicas": {
    ...{ group: "Cluster", summary: "Replicas, as recorded", query: PAGE },
  },
  "/health/live": { group: "Health", summary: "Whether the process runs" },
  "/health/ready": {
    group: "Health",
    summary: "Whether requests are served, and what is not ready",
  },
  "/health/db": { group: "Health", summary: "Whether Postgres and Redis answer, asked now" },
  "/openapi.json": { group: "Documentation", summary: "This document" },
  "/docs": { group: "Documentation", summary: "This document as a page", answer: "text/html" },
};
