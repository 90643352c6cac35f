// What pages do beyond HTMX. Without it everything still works: a form is sent, and the last stage of a portrait is shown.
document.addEventListener("htmx:xhr:progress", (event) => {
  const bar = event.target.querySelector?.(".sending");
  if (bar && event.detail.lengthComputable) bar.value = (100 * event.detail.loaded) / event.detail.total;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.target.matches?.("[data-resets]")) {
    event.target.reset();
    event.target.querySelector(".sending").value = 0;
  }
});
// A problem comes with an error's status, and is shown where the answer would have been.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400) {
    const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
    const said = page.querySelector(".problem")?.textContent ?? event.detail.xhr.statusText;
    const line = document.createElement("p");
    line.className = "problem";
    line.setAttribute("role", "alert");
    line.textContent = said;
    event.detail.target.prepend(line);
  }
});
// What a screen reader shall say is in an element that stays, so it is said once and not at every look.
document.addEventListener("htmx:afterSettle", () => {
  const says = document.querySelector("section[data-says]")?.dataset.says, line = document.getElementById("says");
  if (line && says && line.textContent !== says) line.textContent = says;
});
// How many portraits the chosen looks are.
const order = document.querySelector(".looks");
if (order) {
  const line = order.querySelector("output"), many = (kind) => order.querySelectorAll(`[name=${kind}]:checked`).length;
  const count = () => (line.textContent = line.dataset.says.replace("#", many("pose") * many("tone") * order.count.value));
  order.addEventListener("input", count);
  count();
}
for (const slider of document.querySelectorAll(".slider")) {
  const figure = slider.parentElement.querySelector("figure");
  const stages = figure.dataset.stages.trim().split(" ");
  slider.hidden = false;
  slider.addEventListener("input", () => (figure.querySelector("img").src = stages[slider.value]));
}
