// What a browser has really decoded. It may claim a codec, and then play audio over a frozen poster, or video
// without audio.

/** How much must play before missing audio or video is a fact. */
const PLAYED_S = 1;

/**
 * Calls back once with what is missing, "video" or "audio", as soon as it is known; never if all is there.
 *
 * @param {HTMLVideoElement} video
 * @param {{ video: boolean, audio: boolean }} expected what the title has
 * @param {AbortSignal} signal
 * @param {(missing: "video" | "audio") => void} onMissing
 */
export function watchDecoding(video, expected, signal, onMissing) {
  const done = new AbortController();
  const options = { signal: AbortSignal.any([signal, done.signal]) };
  let began = null; // where the current stretch without a seek began
  const report = (missing) => {
    if (!missing) return;
    done.abort();
    onMissing(missing);
  };
  video.addEventListener("loadeddata", () => expected.video && !video.videoWidth && report("video"), options);
  video.addEventListener("seeking", () => { began = null; }, options);
  video.addEventListener("timeupdate", () => {
    began ??= video.currentTime;
    if (video.currentTime - began < PLAYED_S || video.seeking) return;
    if (expected.video && (!video.videoWidth || frames(video) === 0)) report("video");
    else if (expected.audio && !hasAudio(video)) report("audio");
    else done.abort();
  }, options);
}

/** The number of decoded frames; null where the browser does not tell, or does not draw because the page is hidden. */
function frames(video) {
  if (document.hidden) return null;
  return video.getVideoPlaybackQuality?.().totalVideoFrames ?? null;
}

/** Whether audio is decoded; true where the browser does not tell. */
function hasAudio(video) {
  if (typeof video.mozHasAudio === "boolean") return video.mozHasAudio;
  if (video.audioTracks) return video.audioTracks.length > 0;
  if (typeof video.webkitAudioDecodedByteCount === "number") return video.webkitAudioDecodedByteCount > 0;
  return true;
}
