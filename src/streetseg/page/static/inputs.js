/* Pictures that a person gives: a file, a drop, a paste. */

const element = (id) => document.getElementById(id);

/** Call `take` with each picture file that the person opens, drops or pastes, and `refuse` with a reason. */
export function listen(take, refuse) {
  const stage = element("stage");
  const offer = (files, what) => {
    const picture = [...files].find((file) => file.type.startsWith("image/") || /\.(heic|heif|avif|jxl)$/i.test(file.name));
    if (picture) take(picture);
    else refuse(what);
  };
  element("file").addEventListener("change", (event) => {
    if (event.target.files.length) offer(event.target.files, "This file is not a picture. Open a JPEG or a PNG.");
    event.target.value = ""; // the same file may be opened again
  });
  addEventListener("paste", (event) => {
    if (event.target.closest?.("input")) return; // text, for instance a token
    if (event.clipboardData.files.length) event.preventDefault();
    offer(event.clipboardData.files, "There is no picture on the clipboard. Copy a picture, not its address.");
  });
  // The whole page takes drops: beside the stage, a browser would leave the page and open the file.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) stage.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    offer(event.dataTransfer.files, "This is not a picture file. Drop a JPEG or a PNG.");
  });
}

/**
 * Return a picture file's pixels as an ImageBitmap, upright; a Promise.
 *
 * Colour profiles are not applied: the network saw none in its training.
 */
export async function openPicture(file) {
  try {
    return await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Error(`${file.name || "This picture"} cannot be shown by this browser. Open a JPEG or a PNG.`);
  }
}
