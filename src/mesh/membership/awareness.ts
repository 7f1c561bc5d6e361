/** Eight times slower than in health, plus one: as in memberlist. */
const SCORE_MAX = 8;
/** Lateness of this length counts like one probe that went wrong. */
const LATENESS_PER_POINT_MS = 500;

/**
 * How far we may trust our own senses (Lifeguard's local health multiplier, Dadgar, Phillips, Currey 2018, §IV-A). Who is
 * late itself, or misses what healthy nodes would have sent, is more likely the one that is ill: it gives others more time.
 */
export class Awareness {
  #score = 0;

  get score(): number {
    return this.#score;
  }

  /** A probe was answered in time. */
  confirmed(): void {
    this.#move(-1);
  }

  /** Something that we should have received did not come, or somebody suspected us. */
  doubted(points = 1): void {
    this.#move(points);
  }

  late(latenessMs: number): void {
    this.#move(Math.ceil(latenessMs / LATENESS_PER_POINT_MS));
  }

  /** The duration, for somebody in our state. */
  stretched(durationMs: number): number {
    return durationMs * (this.#score + 1);
  }

  #move(points: number): void {
    this.#score = Math.min(SCORE_MAX, Math.max(0, this.#score + points));
  }
}
