/** What llama.cpp's gguf-split, and those who publish large models, add to a model's name: counted from 1. */
const SPLIT_NAME = /-(\d{5})-of-(\d{5})\.gguf$/;
const SPLITS_MAX = 1_000;

/** The names of all parts, where the file's name says that it is one of several; else undefined. */
export function splitNames(fileName: string): readonly string[] | undefined {
  const [suffix, number, total] = SPLIT_NAME.exec(fileName) ?? [];
  const count = Number(total);
  if (suffix === undefined || !(Number(number) >= 1 && Number(number) <= count)) return undefined;
  if (count > SPLITS_MAX) return undefined;
  const stem = fileName.slice(0, -suffix.length);
  return Array.from({ length: count }, (_, i) => `${stem}-${digits(i + 1)}-of-${total}.gguf`);
}

function digits(number: number): string {
  return String(number).padStart(5, "0");
}
