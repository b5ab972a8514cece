"use strict";
for (const figure of document.querySelectorAll(".flicker")) {
  const output = figure.querySelector("output");
  const play = figure.querySelector('[data-act="play"]');
  let timer = null;
  const swap = () => {
    const on = figure.classList.toggle("on");
    output.textContent = on ? figure.dataset.second : figure.dataset.first;
  };
  figure.querySelector('[data-act="swap"]').addEventListener("click", swap);
  play.addEventListener("click", () => {
    if (timer === null) {
      timer = setInterval(swap, 700);
    } else {
      clearInterval(timer);
      timer = null;
    }
    play.setAttribute("aria-pressed", String(timer !== null));
  });
}
for (const button of document.querySelectorAll('[data-act="copy"]')) {
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(button.parentElement.nextElementSibling);
    // pages opened from a disk may not ask for navigator.clipboard in every browser
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
  });
}
addEventListener("keydown", (event) => {
  const close = event.key === "Escape" && document.querySelector(".frame:target .close");
  if (close) {
    close.click();
  }
});
