// Puts the plot beside each picture that has one; the picture stays for paper, and where a plot cannot be made.
for (const data of document.querySelectorAll("figure > script[type='application/json']")) {
  const figure = data.parentElement;
  const picture = figure.querySelector("img");
  const place = document.createElement("div");
  place.className = "zoom";
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", picture.alt);
  data.before(place);
  // A finger that moves scrolls the page, until a tool is chosen.
  const finger = matchMedia("(pointer: coarse)").matches;
  const item = JSON.parse(data.textContent, (key, value) => (finger && key === "active_drag" ? null : value));
  Bokeh.embed.embed_item(item, place).then(
    () => figure.classList.add("zooms"),
    (error) => { place.remove(); console.error(error); },
  );
}
