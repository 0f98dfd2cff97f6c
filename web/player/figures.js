// Figures about playback, for people who want to know.

const SOURCES = { file: "file", mp4: "play.mp4", hls: "HLS (hls.js)", "native-hls": "HLS (browser)" };

/**
 * The figures of this moment; members are null where they are unknown.
 *
 * @param {HTMLVideoElement} video
 * @param {{ by: string, url: string } | null} source
 * @param {import("./title.js").Title | null} title
 * @param {import("./hls.js").HlsSource | null} hls
 */
export function figures(video, source, title, hls) {
  const frames = video.getVideoPlaybackQuality?.();
  const tracks = title?.tracks.filter(({ kind }) => kind !== "text") ?? [];
  const playing = hls?.playing ?? null;
  const average_bits_s = title?.duration_s ? Math.round(8 * title.size_bytes / title.duration_s) : null;
  return {
    source: source && SOURCES[source.by],
    url: source?.url ?? null,
    codecs: playing?.codecs ?? (tracks.map(({ codecs }) => codecs).filter(Boolean).join(", ") || null),
    width: video.videoWidth || null,
    height: video.videoHeight || null,
    bitrate_bits_s: playing?.bitrate ?? average_bits_s,
    bandwidth_bits_s: hls ? Math.round(hls.bandwidth_bits_s) : null,
    buffer_s: bufferedAhead(video),
    decoded_frames: frames?.totalVideoFrames ?? null,
    dropped_frames: frames?.droppedVideoFrames ?? null,
  };
}

/** The seconds in the buffer after the current time. @param {HTMLVideoElement} video */
function bufferedAhead({ buffered, currentTime }) {
  for (let range = 0; range < buffered.length; range++) {
    const [start, end] = [buffered.start(range), buffered.end(range)];
    if (start <= currentTime + 0.1 && currentTime <= end) return end - currentTime;
  }
  return 0;
}
