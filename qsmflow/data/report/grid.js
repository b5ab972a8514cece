const ROWS = 25;

function grid(figure) {
  const { rows, marked, pages, fractions } = JSON.parse(figure.querySelector("script").textContent);
  const linked = new Set(pages);
  const marks = new Map(marked.map(([row, columns]) => [row, new Set(columns)]));
  const body = figure.querySelector("tbody");
  const told = figure.querySelector("output");
  const search = figure.querySelector('input[type="search"]');
  const only = figure.querySelector('input[type="checkbox"]');
  let order = rows.map((_, index) => index);
  let shown = order;
  let start = 0;
  let sorted = { column: null, down: false };

  const said = (value, column) => {
    if (typeof value !== "number") {
      return value ?? "";
    }
    return (fractions.includes(column) ? value.toPrecision(4) : String(value)).replaceAll("-", "−");
  };

  const cell = (value, column, row) => {
    const made = document.createElement(column === 0 ? "th" : "td");
    if (column === 0) {
      made.scope = "row";
    }
    if (linked.has(value)) {
      const link = document.createElement("a");
      link.href = `${value}.html`;
      link.textContent = value;
      made.append(link);
    } else {
      made.textContent = said(value, column);
    }
    if (marks.get(row)?.has(column)) {
      made.className = "marked";
      made.append(" ▲");
      made.title = "stands out from the cohort";
    }
    return made;
  };

  const draw = () => {
    const part = shown.slice(start, start + ROWS);
    body.replaceChildren(
      ...part.map((row) => {
        const line = document.createElement("tr");
        line.append(...rows[row].map((value, column) => cell(value, column, row)));
        return line;
      }),
    );
    told.textContent = shown.length ? `Rows ${start + 1} to ${start + part.length} of ${shown.length}` : "No row fits";
    figure.querySelector('[data-act="back"]').disabled = start === 0;
    figure.querySelector('[data-act="on"]').disabled = start + ROWS >= shown.length;
  };

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = order.filter((row) => {
      // names and what is said of them, for a word like 02 is in many a number
      const texts = rows[row].filter((value) => typeof value === "string");
      const text = [...texts, marks.has(row) ? "outlier" : ""].join(" ").toLowerCase();
      return (!only?.checked || marks.has(row)) && words.every((word) => text.includes(word));
    });
    start = 0;
    draw();
  };

  const sort = (column) => {
    sorted = { column, down: sorted.column === column && !sorted.down };
    const sign = sorted.down ? -1 : 1;
    order.sort((a, b) => {
      const [x, y] = [rows[a][column], rows[b][column]];
      if (x === null || y === null) {
        return (x === null) - (y === null); // what is missing stands last either way
      }
      return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
    });
    for (const [place, title] of figure.querySelectorAll("thead th").entries()) {
      title.setAttribute("aria-sort", place !== column ? "none" : sorted.down ? "descending" : "ascending");
    }
    filter();
  };

  for (const [column, button] of figure.querySelectorAll("thead button").entries()) {
    button.addEventListener("click", () => sort(column));
  }
  search.addEventListener("input", filter);
  only?.addEventListener("input", filter);
  for (const [act, step] of [["back", -ROWS], ["on", ROWS]]) {
    figure.querySelector(`[data-act="${act}"]`).addEventListener("click", () => {
      start += step;
      draw();
    });
  }
  draw();
}

for (const figure of document.querySelectorAll(".grid")) {
  grid(figure);
}
