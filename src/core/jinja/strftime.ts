const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July", "August", "September"],
  ...["October", "November", "December"],
];
const DAY_MS = 86_400_000;

/** Python's strftime, of the local time, in English. A directive that it does not know stays as it is. */
export function dateText(format: string, date: Date): string {
  const spelled = format
    .replaceAll(/%[cxXDTRFrhn]/g, (mark) => COMPOUND[mark] ?? mark)
    .replace(/%([-_0]?)([a-zA-Z%])/g, (all, flag: string, mark: string) => {
      const text = spelledOut(mark, date);
      if (text === undefined) return all;
      return flag === "-" ? text.replace(/^[0 ]+(?=\d)/, "") : text;
    });
  return spelled;
}

const COMPOUND: Readonly<Record<string, string>> = {
  ...{ "%c": "%a %b %e %H:%M:%S %Y", "%x": "%m/%d/%y", "%X": "%H:%M:%S", "%D": "%m/%d/%y" },
  ...{
    "%T": "%H:%M:%S",
    "%R": "%H:%M",
    "%F": "%Y-%m-%d",
    "%r": "%I:%M:%S %p",
    "%h": "%b",
    "%n": "\n",
  },
};

function spelledOut(mark: string, date: Date): string | undefined {
  const two = (value: number): string => `${value}`.padStart(2, "0");
  const dayOfYear = Math.round((midnight(date) - Date.UTC(date.getFullYear(), 0, 1)) / DAY_MS) + 1;
  const weekday = date.getDay();
  switch (mark) {
    case "Y":
      return `${date.getFullYear()}`;
    case "y":
      return two(date.getFullYear() % 100);
    case "m":
      return two(date.getMonth() + 1);
    case "d":
      return two(date.getDate());
    case "e":
      return `${date.getDate()}`.padStart(2);
    case "B":
      return MONTHS[date.getMonth()];
    case "b":
      return MONTHS[date.getMonth()]?.slice(0, 3);
    case "A":
      return DAYS[weekday];
    case "a":
      return DAYS[weekday]?.slice(0, 3);
    case "H":
      return two(date.getHours());
    case "I":
      return two(date.getHours() % 12 || 12);
    case "M":
      return two(date.getMinutes());
    case "S":
      return two(date.getSeconds());
    case "f":
      return `${date.getMilliseconds() * 1000}`.padStart(6, "0");
    case "p":
      return date.getHours() < 12 ? "AM" : "PM";
    case "j":
      return `${dayOfYear}`.padStart(3, "0");
    case "u":
      return `${weekday || 7}`;
    case "w":
      return `${weekday}`;
    case "U":
      return two(Math.floor((dayOfYear + 6 - weekday) / 7));
    case "W":
      return two(Math.floor((dayOfYear + 6 - ((weekday + 6) % 7)) / 7));
    case "z":
    case "Z":
      return "";
    case "%":
      return "%";
    default:
      return undefined;
  }
}

function midnight(date: Date): number {
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
}
