import {
  characters,
  choice,
  type Expression,
  optional,
  repetition,
  sequence,
  text,
} from "./gbnf.ts";
import { DIGIT, digits } from "./integer-range.ts";
import { hex } from "./json-rules.ts";

/** What a string of the format has between its quotes. Other formats are left to the model. */
export function formatGrammar(format: unknown): Expression | undefined {
  return typeof format === "string" ? FORMATS.get(format) : undefined;
}

const UP_TO_28 = choice(
  sequence(text("0"), characters("[1-9]")),
  sequence(text("1"), DIGIT),
  sequence(text("2"), characters("[0-8]")),
);

/** Days as their months have them, and the 29th of February in years that have it. */
function date(): Expression {
  const year = digits(4, 4);
  const fourth = choice(
    sequence(characters("[02468]"), characters("[048]")),
    sequence(characters("[13579]"), characters("[26]")),
  );
  const fourthButZero = choice(
    sequence(text("0"), characters("[48]")),
    sequence(characters("[2468]"), characters("[048]")),
    sequence(characters("[13579]"), characters("[26]")),
  );
  const leapYear = choice(sequence(digits(2, 2), fourthButZero), sequence(fourth, text("00")));
  const long = choice(sequence(text("0"), characters("[13578]")), text("10"), text("12"));
  const short = choice(sequence(text("0"), characters("[469]")), text("11"));
  const month = choice(
    sequence(text("0"), characters("[1-9]")),
    sequence(text("1"), characters("[0-2]")),
  );
  const day = choice(
    sequence(month, text("-"), UP_TO_28),
    sequence(choice(long, short), text("-"), choice(text("29"), text("30"))),
    sequence(long, text("-31")),
  );
  return choice(sequence(year, text("-"), day), sequence(leapYear, text("-02-29")));
}

/** With its zone, as RFC 3339 wants it. */
function time(): Expression {
  const hour = choice(
    sequence(characters("[01]"), DIGIT),
    sequence(text("2"), characters("[0-3]")),
  );
  const sixty = sequence(characters("[0-5]"), DIGIT);
  const fraction = optional(sequence(text("."), digits(1, 9)));
  const offset = sequence(characters("[-+]"), hour, text(":"), sixty);
  return sequence(
    ...[hour, text(":"), sixty, text(":"), sixty],
    ...[fraction, choice(text("Z"), offset)],
  );
}

function uuid(): Expression {
  return sequence(hex(8), text("-"), repetition(sequence(hex(4), text("-")), 3, 3), hex(12));
}

const FORMATS: ReadonlyMap<string, Expression> = new Map([
  ["date", date()],
  ["time", time()],
  ["date-time", sequence(date(), text("T"), time())],
  // With the version that pydantic asks for, whose digit is left to the model.
  ...["uuid", "uuid1", "uuid3", "uuid4", "uuid5", "uuid6", "uuid7", "uuid8"].map(
    (format): [string, Expression] => [format, uuid()],
  ),
]);
