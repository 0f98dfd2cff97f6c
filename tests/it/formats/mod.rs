//! Unusual but right files, by the kinds of docs/formats.md: what ffmpeg shows of them is what
//! every view shows.

mod audio_sync; // K2: audio flagged as not sync
mod cases; // the small films beside the repository
mod closed_captions; // K14: CEA-608 and CEA-708 in the video
mod cut_tracks; // tracks whose segments are walked
mod edit_lists; // K3: edit lists of several parts
mod elsewhere; // K15: media in another file, compressed headers
mod flags; // K9: default, forced, enabled
mod frame_rates; // K6: FRAME-RATE
mod interlaced; // K11: interlaced video
mod key_frames; // K1: key frames marked elsewhere than in `stss`
mod languages; // K12: languages and names
mod matroska; // Matroska in place
mod quicktime; // QuickTime movies as MP4
mod remux_losses; // K10: what remuxing must keep
mod sample_entries; // K4: several sample entries
mod segment_audio; // K8: audio that browsers do not play in segments
mod shapes; // K7: shape and rotation
mod subtitle_texts; // K13: times, escapes, encodings
mod times; // K5: times that make no sense
mod views; // every view of every kind of title
mod written_boxes; // written boxes against those of the source
