/* The camera: frames on demand, always the latest one. */

const REASONS = {
  NotAllowedError: "The browser may not use the camera. Allow it beside the page's address, then press Camera again.",
  NotFoundError: "There is no camera.",
  NotReadableError: "The camera is in use by another program. Close that program, then press Camera again.",
};

export class Camera {
  constructor() {
    this.video = document.createElement("video");
    this.video.muted = this.video.playsInline = true;
    this.stream = null;
  }

  get running() {
    return this.stream !== null;
  }

  /** Start a camera; "": the one that looks at the street, if the device has several. */
  async start(deviceId = "") {
    this.stop();
    if (!navigator.mediaDevices) throw new Error("The camera works at https:// addresses and on localhost only.");
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { ...which, width: { ideal: 1280 }, height: { ideal: 720 } },
      });
    } catch (error) {
      throw new Error(REASONS[error.name] ?? `The camera does not start: ${error.message || error.name}.`);
    }
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.video.srcObject = null;
  }

  /** Return the cameras of the device as [{id, label}]; their names are known once one runs. */
  async devices() {
    const all = await navigator.mediaDevices.enumerateDevices();
    const cameras = all.filter((device) => device.kind === "videoinput");
    return cameras.map(({ deviceId, label }, index) => ({ id: deviceId, label: label || `Camera ${index + 1}` }));
  }

  /** Return the device that runs now. */
  get current() {
    return this.stream?.getVideoTracks()[0]?.getSettings().deviceId ?? "";
  }

  /** Wait for a frame that was not given yet; return it as an ImageBitmap, or null if the camera was stopped. */
  async next() {
    await new Promise((resolve) => {
      const wait = setTimeout(resolve, 1000); // a hidden page gets no frames
      const done = () => resolve(clearTimeout(wait));
      if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(done);
      else requestAnimationFrame(done);
    });
    if (!this.running || !this.video.videoWidth) return null;
    return createImageBitmap(this.video);
  }
}
