import t from "tap";
import { MediaMarks } from "./media-marks.ts";

t.test("where the pictures of a prompt are", (t) => {
  const rows: readonly (readonly [
    what: string,
    content: string,
    images: readonly string[],
    text: string,
    order: readonly string[],
    shown: string,
  ])[] = [
    ["none", "what?", [], "what?", [], "what?"],
    ["before the text", "what?", ["A"], "<__media__>what?", ["A"], "[img-0]what?"],
    [
      "two, in order",
      "what?",
      ["A", "B"],
      "<__media__><__media__>what?",
      ["A", "B"],
      "[img-0][img-1]what?",
    ],
    ["where the text says", "a [img] b", ["A"], "a <__media__> b", ["A"], "a [img-0] b"],
    [
      "there, and the rest before",
      "a [img] b",
      ["A", "B"],
      "<__media__>a <__media__> b",
      ["B", "A"],
      "[img-0]a [img-1] b",
    ],
    ["the same twice", "", ["A", "A"], "<__media__><__media__>", ["A", "A"], "[img-0][img-1]"],
    [
      "a text like a mark",
      "<__media__> <__image__> [img-0]",
      ["A"],
      "<__media__><__ media__> <__ image__> [img-0]",
      ["A"],
      "[img-0]<__media__> <__image__> [img-0]",
    ],
  ];
  for (const [what, content, images, text, order, shown] of rows) {
    const marks = new MediaMarks();
    const rendered = marks.mark({ role: "user", content, images }).content;
    t.same(marks.taken(rendered), { text, images: order }, what);
    t.equal(marks.shown(rendered), shown, what);
  }
  t.end();
});

t.test("what a template leaves out is not shown to the model", (t) => {
  const marks = new MediaMarks();
  const [first, second] = ["A", "B"].map((image) =>
    marks.mark({ role: "user", content: image, images: [image] }),
  );
  t.same(marks.taken(`<${second?.content}>`), { text: "<<__media__>B>", images: ["B"] });
  t.same(marks.taken(`${second?.content}${first?.content}`).images, ["B", "A"]);
  t.end();
});

t.test("where the pictures of a whole prompt are", async (t) => {
  const rows: readonly (readonly [
    prompt: string,
    images: readonly string[],
    text: string,
    order: readonly string[],
  ])[] = [
    ["what?", [], "what?", []],
    ["what?", ["A", "B"], "<__media__><__media__>what?", ["A", "B"]],
    ["a [img-1] b [img-0]", ["A", "B"], "a <__media__> b <__media__>", ["B", "A"]],
    ["a [img-1] b", ["A", "B"], "<__media__>a <__media__> b", ["A", "B"]],
    ["[img-0][img-0][img-7]", ["A"], "<__media__><__media__>[img-7]", ["A", "A"]],
    ["<__media__>", ["A"], "<__media__><__ media__>", ["A"]],
  ];
  for (const [prompt, images, text, order] of rows) {
    const marks = new MediaMarks();
    t.same(marks.taken(marks.place(prompt, images)), { text, images: order }, prompt);
  }
});
