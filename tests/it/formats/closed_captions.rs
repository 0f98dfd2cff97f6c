//! CEA-608 and CEA-708 captions in the video (kind K14).
