// A question with its options. Choosing one tells the kernel, which has it recorded and says so in `note`.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// `code` is the only markup that questions use.
function inline(text) {
  return text.split("`").map((part, number) => (number % 2 ? element("code", {}, part) : part));
}

let groups = 0;

function render({ model, el }) {
  const group = `cks-labs-question-${(groups += 1)}`;
  const question = model.get("question");
  const field = element("fieldset", {}, element("legend", {}, ...inline(question.text)));
  for (const option of question.options) {
    const input = element("input", { type: "radio", name: group, value: option.key });
    input.checked = model.get("choice") === option.key;
    input.addEventListener("change", () => {
      model.set("choice", option.key);
      model.save_changes();
    });
    const text = element("span", {}, ...inline(option.text));
    field.append(element("label", { class: "option" }, input, text, element("span", { class: "key" }, option.key)));
  }
  const note = element("footer", { role: "status" });
  const draw = () => note.replaceChildren(...inline(model.get("note")));
  model.on("change:note", draw);
  draw();
  el.append(element("div", { class: "cks-labs cks-question" }, field, note));
  return () => model.off("change:note", draw);
}

export default { render };
