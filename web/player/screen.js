// The screen: full screen, picture in picture, and other devices. Buttons exist where the browser can.

/**
 * Safari's names of what the standard came to name otherwise.
 * @typedef {HTMLElement & { webkitRequestFullscreen?: () => void }} Stage
 * @typedef {HTMLVideoElement & {
 *   webkitEnterFullscreen?: () => void,
 *   webkitSetPresentationMode?: (mode: string) => void,
 *   webkitPresentationMode?: string,
 *   webkitShowPlaybackTargetPicker?: () => void,
 * }} Video
 * @typedef {Document & { webkitFullscreenElement?: Element, webkitExitFullscreen?: () => void, webkitFullscreenEnabled?: boolean }} Page
 */

const page = /** @type {Page} */ (document);

/** @param {Element} stage */
export const isFull = (stage) => (document.fullscreenElement ?? page.webkitFullscreenElement) === stage;

/**
 * Whether the stage can fill the screen, or at least the video: iPhones know nothing else.
 * @param {Video} video
 */
export const canBeFull = (video) =>
  Boolean(document.fullscreenEnabled || page.webkitFullscreenEnabled || video.webkitEnterFullscreen);

/**
 * @param {Stage} stage
 * @param {Video} video
 */
export async function toggleFull(stage, video) {
  if (isFull(stage)) {
    if (document.exitFullscreen) await document.exitFullscreen().catch(() => {});
    else page.webkitExitFullscreen?.();
  } else if (document.fullscreenEnabled) {
    await stage.requestFullscreen({ navigationUI: "hide" }).then(() => turnPhone(video), () => {});
  } else if (page.webkitFullscreenEnabled) {
    stage.webkitRequestFullscreen?.();
  } else {
    video.webkitEnterFullscreen?.();
  }
}

/**
 * Turns a phone's screen to the longer side of the video. Other devices refuse.
 * @param {Video} video
 */
function turnPhone({ videoWidth, videoHeight }) {
  const orientation = /** @type {ScreenOrientation & { lock?: (to: string) => Promise<void> }} */ (screen.orientation);
  orientation.lock?.(videoWidth < videoHeight ? "portrait" : "landscape").catch(() => {});
}

/** @param {Video} video */
export const canBeSmall = (video) => Boolean(document.pictureInPictureEnabled || video.webkitSetPresentationMode);

/** @param {Video} video */
export async function togglePictureInPicture(video) {
  if (document.pictureInPictureElement === video) await document.exitPictureInPicture().catch(() => {});
  else if (document.pictureInPictureEnabled) await video.requestPictureInPicture().catch(() => {});
  else video.webkitSetPresentationMode?.(video.webkitPresentationMode === "picture-in-picture" ? "inline" : "picture-in-picture");
}

/**
 * Calls back with whether there are devices to play on (Chromecast, AirPlay), now and at each change.
 * @param {Video} video
 * @param {(isAvailable: boolean) => void} call
 * @param {AbortSignal} signal
 */
export function watchDevices(video, call, signal) {
  if (video.webkitShowPlaybackTargetPicker) {
    video.addEventListener("webkitplaybacktargetavailabilitychanged", (event) => {
      call(/** @type {Event & { availability?: string }} */ (event).availability === "available");
    }, { signal });
  } else if (video.remote) {
    const { remote } = video;
    // A browser that knows devices but cannot watch for them refuses: then there is no button.
    remote.watchAvailability(call).then((id) => {
      signal.addEventListener("abort", () => remote.cancelWatchAvailability(id).catch(() => {}));
    }, () => {});
  }
}

/**
 * Lets the person choose a device.
 * @param {Video} video
 */
export function chooseDevice(video) {
  if (video.webkitShowPlaybackTargetPicker) video.webkitShowPlaybackTargetPicker();
  else video.remote?.prompt().catch(() => {}); // closed without a choice
}
