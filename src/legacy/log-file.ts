/**
 * LevelDB's write-ahead log (leveldb doc/log_format.md): blocks of 32 KiB, each a row of records with a header of 7 bytes
 * (checksum 4, length 2, type 1); a block's last bytes that hold no header are padding.
 */
const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const LENGTH_AT = 4;
const TYPE_AT = 6;
/** FIRST and MIDDLE: the entry goes on in the next record. */
const UNFINISHED_TYPES: readonly number[] = [2, 3];

/**
 * True when the log ends in the middle of a record. LevelDB itself takes that for a crash while writing and says nothing of
 * what it drops; checksums that do not match it does tell, in its LOG.
 */
export function endsTorn(log: Uint8Array): boolean {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  let unfinished = false;
  for (let at = 0; at < log.byteLength; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < HEADER_BYTES) {
      at += left;
      continue;
    }
    if (at + HEADER_BYTES > log.byteLength) return true;
    const length = view.getUint16(at + LENGTH_AT, true);
    const type = view.getUint8(at + TYPE_AT);
    if (type === 0 && length === 0) {
      // Space that was reserved and never written.
      at += left;
      continue;
    }
    unfinished = UNFINISHED_TYPES.includes(type);
    at += HEADER_BYTES + length;
    if (at > log.byteLength) return true;
  }
  return unfinished;
}
