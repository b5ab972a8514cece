// [axis cut, axis to the right, axis upwards]
const PLANES = { axial: [2, 0, 1], coronal: [1, 0, 2], sagittal: [0, 1, 2] };
// half the opening of the crosshair, so that it hides no small vein
const GAP = 16;

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function view(figure) {
  const content = JSON.parse(figure.querySelector("script").textContent);
  const control = (name) => figure.querySelector(`[name="${name}"]`);
  const sliders = ["x", "y", "z"].map(control);
  const output = figure.querySelector("output");
  const maps = await Promise.all(content.maps.map(unpack));
  const magnitude = content.magnitude && (await unpack(content.magnitude));
  const [nx, ny] = content.shape;
  const at = () => sliders.map((slider) => Number(slider.value));
  const index = (voxel) => voxel[0] + nx * (voxel[1] + ny * voxel[2]);

  const colour = (chi, under) => {
    if (chi === 0) {
      return [under, under, under];
    }
    const limit = Number(control("range").value);
    const share = Math.max(-1, Math.min(1, ((chi - 128) * content.step) / limit));
    const grey = 127.5 * (1 + share);
    const fade = 255 * (1 - Math.abs(share));
    const told = control("colours").value === "grey" ? [grey, grey, grey] : share > 0 ? [255, fade, fade] : [fade, fade, 255];
    const part = Number(control("opacity").value) / 100;
    return told.map((value) => part * value + (1 - part) * under);
  };

  const draw = () => {
    const middle = at();
    const map = maps[control("map").value];
    for (const [plane, [axis, right, up]] of Object.entries(PLANES)) {
      const canvas = figure.querySelector(`canvas[data-plane="${plane}"]`);
      const [width, height] = [content.shape[right], content.shape[up]];
      // drawn finer than its voxels, so that the crosshair is thin
      const zoom = Math.ceil(480 / width);
      canvas.width = width * zoom;
      canvas.height = height * zoom;
      canvas.style.aspectRatio = `${width * content.voxel[right]} / ${height * content.voxel[up]}`;
      const context = canvas.getContext("2d");
      const slice = new OffscreenCanvas(width, height);
      const image = new ImageData(width, height);
      const voxel = [...middle];
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          voxel[right] = column;
          voxel[up] = height - 1 - row;
          const place = index(voxel);
          image.data.set([...colour(map[place], magnitude ? magnitude[place] : 0), 255], 4 * (row * width + column));
        }
      }
      slice.getContext("2d").putImageData(image, 0, 0);
      context.imageSmoothingEnabled = false;
      context.drawImage(slice, 0, 0, canvas.width, canvas.height);
      const [x, y] = [(middle[right] + 0.5) * zoom, (height - middle[up] - 0.5) * zoom];
      context.fillStyle = "rgba(255, 196, 107, 0.8)";
      context.fillRect(x - 1, 0, 2, y - GAP);
      context.fillRect(x - 1, y + GAP, 2, canvas.height);
      context.fillRect(0, y - 1, x - GAP, 2);
      context.fillRect(x + GAP, y - 1, canvas.width, 2);
    }
    const place = index(middle);
    const [x, y, z] = content.affine.map((row) => (row[0] * middle[0] + row[1] * middle[1] + row[2] * middle[2] + row[3]).toFixed(1));
    const chi = map[place] ? `${((map[place] - 128) * content.step).toFixed(3)} ppm` : "not known";
    output.textContent = `x ${x}, y ${y}, z ${z} mm: χ ${chi}`.replaceAll("-", "−");
  };

  for (const [axis, slider] of sliders.entries()) {
    slider.max = content.shape[axis] - 1;
    slider.value = Math.floor(content.shape[axis] / 2);
  }
  for (const input of figure.querySelectorAll("input, select")) {
    input.addEventListener("input", draw);
  }
  for (const canvas of figure.querySelectorAll("canvas")) {
    canvas.addEventListener("click", (event) => {
      const [, right, up] = PLANES[canvas.dataset.plane];
      const box = canvas.getBoundingClientRect();
      const share = [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height];
      sliders[right].value = Math.floor(share[0] * content.shape[right]);
      sliders[up].value = Math.floor(share[1] * content.shape[up]);
      draw();
    });
  }
  draw();
  figure.dataset.drawn = "yes";
}

for (const figure of document.querySelectorAll(".viewer")) {
  view(figure).catch((error) => {
    figure.querySelector("output").textContent = `The viewer cannot draw: ${error.message}`;
  });
}
