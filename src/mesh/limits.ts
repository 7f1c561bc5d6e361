/** A record on a topic, as the design fixes it. */
export const RECORD_BYTES_MAX = 4_096;
/** One gossipsub RPC carries several messages when a peer asks for those that it missed. */
export const GOSSIP_RPC_BYTES_MAX = 64 * 1_024;

export const NODE_NAME_CHARS_MAX = 128;
export const PLACE_CHARS_MAX = 64;
export const VERSION_CHARS_MAX = 32;
export const URL_CHARS_MAX = 256;
export const LOADED_MODELS_MAX = 24;
export const MULTIADDRS_MAX = 8;
export const MULTIADDR_CHARS_MAX = 256;
export const MEMBERSHIP_UPDATES_MAX = 16;

export const MODEL_NAME_CHARS_MAX = 600;
export const MODEL_TEXT_CHARS_MAX = 256;
export const MODEL_FAMILIES_MAX = 16;
