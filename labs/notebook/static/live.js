// The live view: one pod in three places. The kernel sends what it learns; this draws it and marks what changed.

const NOTHING = "–";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function age(since) {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(since)) / 1000));
  if (Number.isNaN(seconds)) return NOTHING;
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return `${Math.floor(seconds / 3600)}h`;
}

// Each column is a list of groups, each group a list of [label, value, options].
function columns(view) {
  const files = view.file.map((one) => [
    ["file", one.path.split("/").pop(), { title: one.path }],
    ["name", one.name],
    ["image", one.image, { claim: true }],
    ["sha256", one.sha256.slice(0, 12), { title: one.sha256 }],
  ]);
  const containers = view.runtime.map((one) => [
    ["container", one.id.slice(0, 13), { title: one.id }],
    ["image", one.image, { claim: one.state === "Running" }],
    ["state", one.state === "Running" ? one.state : `${one.state} (${one.exit_code})`],
    ["age", one.started, { age: true }],
    ["restarts", String(one.restarts)],
  ]);
  const pod = view.api.pod;
  const claims = pod === null ? [] : [[
    ["pod", pod.name],
    ["image", pod.image, { claim: true }],
    ["UID", pod.uid, {}],
    ["phase", pod.phase || "Pending"],
    ["age", pod.created, { age: true }],
  ]];
  return [
    { key: "file", title: "The file says", groups: files, none: "no manifest asks for this pod" },
    { key: "runtime", title: "The runtime runs", groups: containers, none: "no container" },
    { key: "api", title: "The API claims", groups: claims, none: "no such pod", down: !view.api.reachable },
  ];
}

function render({ model, el }) {
  let before = new Map();
  const root = element("div", { class: "cks-labs cks-live", role: "region" });
  const title = element("strong");
  const status = element("span", { class: "right" });
  const body = element("div", { class: "columns" });
  const said = element("div", { class: "said", "aria-live": "polite" });
  root.append(element("header", {}, title, status), body, said);
  el.append(root);

  function draw() {
    const view = model.get("view");
    const note = model.get("note");
    root.classList.toggle("still", note !== "");
    status.replaceChildren(element("span", { class: "pulse", "aria-hidden": "true" }), note || "live");
    if (!view.pod) return;
    root.setAttribute("aria-label", `Live view of ${view.pod}`);
    title.textContent = view.mirror;
    const running = view.runtime.filter((one) => one.state === "Running").map((one) => one.image);
    const now = new Map();
    const changes = [];
    body.replaceChildren(...columns(view).map((column) => {
      const section = element("section", { "data-column": column.key }, element("h4", {}, column.title));
      if (column.down) section.append(element("p", { class: "none" }, "the API server does not answer; last known:"));
      if (column.groups.length === 0) section.append(element("p", { class: "none" }, column.none));
      column.groups.forEach((group, number) => {
        const list = element("dl");
        for (const [label, value, options = {}] of group) {
          const key = `${column.key}/${number}/${label}`;
          const shown = value || NOTHING;
          const cell = element("dd", { "data-field": label }, options.age ? age(shown) : shown);
          if (options.title) cell.title = options.title;
          if (options.age) cell.dataset.since = shown;
          if (options.claim && column.key !== "runtime" && running.length > 0 && !running.includes(shown)) {
            cell.classList.add("differs");
            cell.title = `the runtime runs ${running.join(", ")}`;
          }
          if (before.size > 0 && before.get(key) !== shown) {
            cell.classList.add("changed");
            if (!options.age) changes.push(`${column.title}: ${label} ${shown}`);
          }
          now.set(key, shown);
          list.append(element("dt", {}, label), cell);
        }
        section.append(list);
      });
      return section;
    }));
    before = now;
    if (changes.length > 0) said.textContent = changes.join("; ");
  }

  const clock = setInterval(() => {
    for (const cell of body.querySelectorAll("[data-since]")) cell.textContent = age(cell.dataset.since);
  }, 1000);
  model.on("change:view", draw);
  model.on("change:note", draw);
  draw();
  return () => {
    clearInterval(clock);
    model.off("change:view", draw);
    model.off("change:note", draw);
  };
}

export default { render };
