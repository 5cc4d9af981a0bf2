// Elements from JavaScript: texts are always texts, so nothing from a file or a model is read as HTML.

/** An element; properties that begin with "on" are listeners, others attributes or properties. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else if (name in node && name !== "list" && name !== "form" && name !== "role") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return node;
}

/** Put children in place of those that are there. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return node;
}

/** A share as people read it. */
export function percent(share, digits = 0) {
  return `${(100 * share).toFixed(digits)} %`;
}

/** A whole number with thousands apart. */
export function number(value) {
  return value.toLocaleString("en");
}

/** "1 photo", "2 photos". */
export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** A labelled control; the label is what a screen reader says. */
export function field(label, control, help = null) {
  return h("label", { class: "field" }, h("span", {}, label), control, help && h("small", {}, help));
}

/** A select of [value, text] pairs. */
export function choice(pairs, value, onchange) {
  const options = pairs.map(([key, text]) => h("option", { value: key, selected: key === value }, text));
  return h("select", { onchange: (event) => onchange(event.target.value) }, options);
}

/** Call a function once nothing has happened for a while. */
export function calm(act, wait = 150) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...args), wait);
  };
}

/** Ask before something that cannot be taken back; resolves to whether it is wanted. */
export function ask(title, body, yes, no = "Cancel") {
  return new Promise((resolve) => {
    const close = (answer) => { box.close(); box.remove(); resolve(answer); };
    const box = h("dialog", { class: "dialog", "aria-label": title, oncancel: () => close(false) },
      h("h2", {}, title), h("div", {}, body),
      h("div", { class: "row end" },
        h("button", { type: "button", onclick: () => close(false) }, no),
        yes && h("button", { type: "button", class: "main", onclick: () => close(true) }, yes)));
    document.body.append(box);
    box.showModal();
  });
}
