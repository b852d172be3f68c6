// Turn each list of panels into tabs; without this script all panels stand below each other.
for (const box of document.querySelectorAll("[data-tabs]")) {
  const panels = [...box.querySelectorAll(":scope > [data-panel]")];
  const list = document.createElement("div");
  list.className = "tabs";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", box.dataset.tabs);

  const show = (chosen) => {
    tabs.forEach((tab, index) => {
      tab.setAttribute("aria-selected", String(index === chosen));
      tab.tabIndex = index === chosen ? 0 : -1;
      panels[index].hidden = index !== chosen;
    });
  };

  const tabs = panels.map((panel, index) => {
    const title = panel.querySelector("h4");
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `${box.dataset.tabs.replace(/\W/g, "-")}-tab-${index}`;
    panel.id = `${box.dataset.tabs.replace(/\W/g, "-")}-panel-${index}`;
    tab.append(...[...title.childNodes].map((node) => node.cloneNode(true)));
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    title.hidden = true;
    tab.addEventListener("click", () => show(index));
    return tab;
  });

  list.addEventListener("keydown", (event) => {
    const now = tabs.indexOf(document.activeElement);
    const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const chosen = (next + tabs.length) % tabs.length;
    show(chosen);
    tabs[chosen].focus();
  });

  list.append(...tabs);
  box.prepend(list);
  show(0);
}

// Turn each clip into one button; without this script it stands there with the browser's own controls.
for (const clip of document.querySelectorAll("audio[data-clip]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "play";
  const say = () => {
    button.textContent = clip.paused ? "\u25b6" : "\u275a\u275a";
    button.setAttribute("aria-label", `${clip.paused ? "Play" : "Pause"} ${clip.dataset.clip}`);
  };
  button.addEventListener("click", () => {
    if (!clip.paused) return clip.pause();
    for (const other of document.querySelectorAll("audio[data-clip]")) if (other !== clip) other.pause();
    clip.currentTime = 0;
    clip.play().catch(() => {
      button.replaceWith("cannot be played here");
    });
  });
  for (const event of ["play", "pause", "ended"]) clip.addEventListener(event, say);
  clip.controls = false;
  clip.before(button);
  say();
}

// A film is opened from the reader's own disk and stays there; its moments become buttons that jump to them.
for (const box of document.querySelectorAll("[data-player]")) {
  const film = box.querySelector("video");
  const picker = box.querySelector("input");
  const scope = [];
  for (let next = box.nextElementSibling; next && next.tagName !== "H3"; next = next.nextElementSibling) scope.push(next);
  box.hidden = false;
  picker.addEventListener("change", () => {
    if (!picker.files.length) return;
    if (film.src) URL.revokeObjectURL(film.src);
    film.src = URL.createObjectURL(picker.files[0]);
    film.hidden = false;
    for (const moment of scope.flatMap((part) => [...part.querySelectorAll("[data-second]")])) {
      if (moment.querySelector("button")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "jump";
      button.textContent = moment.textContent;
      button.setAttribute("aria-label", `Play from ${moment.textContent}`);
      button.addEventListener("click", () => {
        film.currentTime = Math.max(0, Number(moment.dataset.second) - 0.5);
        film.play().catch(() => {});
        film.scrollIntoView({ block: "nearest" });
      });
      moment.replaceChildren(button);
    }
  });
}
