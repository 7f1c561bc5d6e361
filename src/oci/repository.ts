import { type BlobDigest, formatDigest } from "../core/digest.ts";
import { ManagementError } from "../core/management.ts";
import type { ModelName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";
import { invalid, TransferError, unauthorized } from "./errors.ts";
import { type Incoming, type Outgoing, readAtMost } from "./http.ts";
import { REDIRECTS, type RegistrySession } from "./session.ts";

const REFUSAL_BYTES_MAX = 4_096;
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** Where a registry keeps one model: OCI Distribution 1.1, of which Ollama's protocol is a dialect. */
export class Repository {
  readonly session: RegistrySession;
  readonly #path: string;

  constructor(session: RegistrySession, { namespace, model }: ModelName) {
    this.session = session;
    this.#path = `/v2/${namespace}/${model}`;
  }

  /** The same for the same model of the same registry. */
  get id(): string {
    return `${this.session.registry.origin}${this.#path}`;
  }

  manifestUrl(tag: string): URL {
    return new URL(`${this.#path}/manifests/${tag}`, this.session.registry);
  }

  blobUrl(digest: BlobDigest): URL {
    return new URL(`${this.#path}/blobs/${formatDigest(digest)}`, this.session.registry);
  }

  uploadsUrl(): URL {
    return new URL(`${this.#path}/blobs/uploads/`, this.session.registry);
  }

  async hasBlob(digest: BlobDigest, o: Waiting): Promise<boolean> {
    const url = this.blobUrl(digest);
    using reply = await this.session.request({ method: "HEAD", url, headers: {} }, o);
    if (reply.status === 404) return false;
    // A redirect leads to where it lies, and such links are often for GET alone.
    if (reply.status === 200 || REDIRECTS.has(reply.status)) return true;
    throw await this.refusal(reply);
  }

  /** The reply to a request that changes something, when it says that it did. */
  async accepted(outgoing: Outgoing, o: Waiting): Promise<Incoming> {
    const reply = await this.session.request(outgoing, o);
    if (reply.status >= 200 && reply.status < 300) return reply;
    using refused = reply;
    throw await this.refusal(refused);
  }

  /** What a reply that is not the one we want means. */
  async refusal(reply: Incoming): Promise<Error> {
    const { status, url } = reply;
    const isRegistry = this.session.isRegistry(url);
    if (status === 401 && isRegistry) return unauthorized();
    if (status === 404 && isRegistry) {
      return new ManagementError("REMOTE_NOT_FOUND", "file does not exist");
    }
    if (status < 400) return invalid(`unexpected status code ${status}`);
    const { bytes } = await readAtMost(reply, REFUSAL_BYTES_MAX);
    const text = `${status}: ${bytes.toString().trim()}`;
    // Links to other hosts expire; the next try gets a new one.
    const isPassing = PASSING.has(status) || !isRegistry;
    return isPassing
      ? new TransferError("REFUSED", text)
      : new ManagementError("REGISTRY_REFUSED", text);
  }
}
